module github.com/handfast-tcp/handfast/conformance

go 1.26.3

require (
	github.com/handfast-tcp/handfast v0.0.0
	golang.org/x/net v0.62.0
)

replace github.com/handfast-tcp/handfast => ../
