module github.com/handfast-tcp/handfast/bench

go 1.26.3

require (
	github.com/handfast-tcp/handfast v0.1.0
	github.com/handfast-tcp/handfast/wgnet v0.0.0
	github.com/soypat/lneto v0.3.2
	golang.org/x/sys v0.49.0
	golang.zx2c4.com/wireguard v0.0.0-20260522210424-ecfc5a8d5446
	gvisor.dev/gvisor v0.0.0-20260905035102-160fafc42237
)

require (
	github.com/google/btree v1.1.2 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/exp v0.0.0-20250711185948-6ae5c78190dc // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	golang.zx2c4.com/wintun v0.0.0-20230126152724-0fa3db229ce2 // indirect
)

replace github.com/handfast-tcp/handfast => ../

replace github.com/handfast-tcp/handfast/wgnet => ../wgnet
