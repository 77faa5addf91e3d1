"""`python -m gateway.cli.hub MODEL --repository DIR`."""

import os
import sys

# Read when huggingface_hub is imported. The progress is ours, and neither telemetry nor a look for updates is wanted.
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_UPDATE_CHECK"] = "1"

if __name__ == "__main__":
    from gateway.cli.hub.main import main

    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: it would wait for the threads of a download that was stopped.
    os._exit(status)
