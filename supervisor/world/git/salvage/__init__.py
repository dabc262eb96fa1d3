"""Keeping uncommitted work in commits below refs/leasehold/salvage/, and putting it back.

The shape of a salvage commit is that of a stash: its first parent is the commit that was checked out, its
tree that commit with the work tree's version of the salvaged paths. Where a path was staged in a version
that is not the work tree's, a second parent holds the staged versions, again on top of the first parent.

Everything is built in a throw-away index: the user's index, HEAD, work tree, stash and reflogs are not
written, and no hook runs.
"""
