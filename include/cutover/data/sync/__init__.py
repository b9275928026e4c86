"""Following a source that goes on changing: what changed is read anew, in one snapshot, and put in the target's place.

A feed tells which rows changed, by their keys, and nothing else is taken from it. The rows themselves are read from the
source by the same SELECT and the same transforms as in the load, so every value arrives as exactly as there. Keys that
changed and are not found any more are deletes. Order within a batch does not matter: key changes and values that
change places between rows come out right, because a batch takes away every changed row before it brings any.
"""
