"""Asks the runs that it is told of, one a line, and says what came of it, one line each.

A process of its own: what a broken file does to it is seen from outside.
"""

import json
import sys
import warnings

from recembed.errors import DataError, RunError
from recembed.recommender import Recommender
from recembed.run.folder import Run


def answers(run):
    """Lists of a known user, of somebody new, and beside an item, to the last digit."""
    recommender = Recommender.load(run)
    asked = (
        recommender.recommend("u001", 5),
        recommender.recommend_for(["000", "001"], 5),
        recommender.similar("003", 5),
    )
    return [each.to_dict() for each in asked]


def told(asked, run):
    """What came of it: an answer, or the one line of an error."""
    try:
        return {"answer": asked(run)}
    except (RunError, DataError) as error:
        return {"error": str(error)}


def whole(run):
    """Whether every file of it is as it was written."""
    Run.open(run)
    return True


if __name__ == "__main__":
    warnings.simplefilter("error")
    for line in sys.stdin:
        run = line.rstrip("\n")
        print(json.dumps({"asked": told(answers, run), "opened": told(whole, run)}), flush=True)
