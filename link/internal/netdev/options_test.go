package netdev

import (
	"math"
	"strings"
	"testing"
)

func TestCheckOptions(t *testing.T) {
	for _, c := range []struct {
		queues, mtu int
		want        string
	}{
		{0, 0, ""}, {1, minMTU, ""}, {maxQueues, maxMTU, ""},
		{-1, 0, "queues"}, {maxQueues + 1, 0, "queues"}, {math.MaxInt, 0, "queues"},
		{1, -1, "MTU"}, {1, minMTU - 1, "MTU"}, {1, maxMTU + 1, "MTU"}, {1, math.MinInt, "MTU"},
	} {
		err := CheckOptions("tun", c.queues, c.mtu)
		if (err == nil) != (c.want == "") || err != nil && !(strings.Contains(err.Error(), c.want) && strings.Contains(err.Error(), " to ")) {
			t.Errorf("%d queues, MTU %d: %v", c.queues, c.mtu, err)
		}
	}
}
