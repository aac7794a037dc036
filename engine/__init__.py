"""One machine's memory: the journal that is the truth, and the projections that show it.

Serves no socket, knows no GraphQL and no cluster.
"""
