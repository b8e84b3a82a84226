"""LightGCN: vectors of users and items, spread over the graph of who took what."""
