"""CSM in its child: loaded, scheduled frame by frame, spoken from voices' prompts."""
