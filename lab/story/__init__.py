"""Play a marketer's main task on real processes over real HTTP."""
