# Differences between the reference and vt that do not matter, one a line.
# Behind a colour's `m` the kit does not see that a name begins.
s/\(\x1b\[[0-9;]*m\)vt \(run\|cache\)/\1vp \2/g
# Ours alone: how a run was tracked (-vv).
/^        Tracked:   /d
# Ours alone: the number of the run, for `vt explain --diff`.
/^Run:          [0-9]/d
# Ours alone: digests before and after (-vv).
/^        Changed:   /d
