"""A fleet of replicas in simulated time: what to buy, and what is lost when something fails."""
