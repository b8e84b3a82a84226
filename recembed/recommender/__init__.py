"""Serving: one object that answers from a run, by the very ranker that was evaluated."""

from recembed.recommender.answers import Because, Recommendation, Recommendations
from recembed.recommender.recommender import Recommender
from recembed.recommender.state import State
from recembed.recommender.wish import Wish

__all__ = ["Because", "Recommendation", "Recommendations", "Recommender", "State", "Wish"]
