module github.com/handfast-tcp/handfast/conformance

go 1.26.3

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/containers/gvisor-tap-vsock v0.8.9
	github.com/go-sql-driver/mysql v1.10.1
	github.com/handfast-tcp/handfast v0.0.0
	github.com/redis/go-redis/v9 v9.23.0
	golang.org/x/exp v0.0.0-20250711185948-6ae5c78190dc
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
	gvisor.dev/gvisor v0.0.0-20260905035102-160fafc42237
)

require (
	github.com/apparentlymart/go-cidr v1.1.1 // indirect
	github.com/google/gopacket v1.1.19 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	golang.org/x/tools v0.43.0 // indirect
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/google/btree v1.1.2 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/time v0.15.0 // indirect
)

replace github.com/handfast-tcp/handfast => ../
