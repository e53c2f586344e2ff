"""The small models of the safety layer and of retrieval, one task each: `python -m finetune.train --task TASK ...`.

What follows the task is the task's own; `--task guard --help` tells it.
"""

import argparse
import sys
from importlib import import_module

TASKS = {
    "guard": "finetune.guard",
    "acuity": "finetune.acuity",
    "relevance": "finetune.relevance",
    "deid": "finetune.deid",
    "verify": "finetune.verify",
}


def main() -> None:
    """Hand the rest of the command line to the task's module."""
    parser = argparse.ArgumentParser(description=__doc__, add_help="--task" not in sys.argv)
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    chosen, rest = parser.parse_known_args()
    sys.argv = [f"finetune.train --task {chosen.task}", *rest]
    import_module(TASKS[chosen.task]).main()


if __name__ == "__main__":
    main()
