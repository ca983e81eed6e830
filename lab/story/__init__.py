"""Play the main job on real processes over real HTTP."""
