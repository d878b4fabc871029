"""`wyoming-csm bench`: what a listener gets of a server, timed at its socket, beside others."""
