"""An engine that is watched, and replaced when it has failed."""
