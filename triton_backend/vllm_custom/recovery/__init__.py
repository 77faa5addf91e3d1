"""An engine that is watched, and replaced by another when it has failed."""
