module echo

go 1.26.0

require github.com/soypat/lneto v0.3.2
