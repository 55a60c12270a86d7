package answers

import (
	"flag"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/internal/testnet"
)

var (
	everyConversation = flag.Bool("whole", false, "have every opening with every middle, too")
	onlyConversation  = flag.String("talk", "", "have only the conversations of the grid whose names contain this")
	conversations     = flag.Int("talks", 300, "how many random conversations")
	conversationSeed  = flag.Uint64("talkseed", 1, "the seed of the first one")
)

// Both stacks play whole conversations alike, but for what the differences allow.
//
//	go test ./answers -run Conversations -whole -talks 100000 -talkseed 4711 -v
//	go test ./answers -run Conversations -talk 'plain / text / CLOSING' -talks 0 -v
func TestConversations(t *testing.T) {
	b := &bench{kernel: newKernel(t)}
	testnet.Queue(t, "kernel", together*100)
	var all []conversation
	for _, c := range grid(*everyConversation) {
		if strings.Contains(c.name, *onlyConversation) {
			all = append(all, c)
		}
	}
	for i := range *conversations {
		all = append(all, randomConversation(*conversationSeed+uint64(i)))
	}
	var sum heard
	for some := range slices.Chunk(all, together) {
		sum.note(t, b, some)
	}
	sum.log(t)
}

// together is how many conversations the kernel has at the same time.
const together = 256

// heard counts what conversations show.
type heard struct {
	conversations, steps, whole, unexplained int
	reasons                                  map[string]int
}

// note compares conversations.
func (h *heard) note(t *testing.T, b *bench, some []conversation) {
	t.Helper()
	var odd []conversation
	for _, r := range b.beside(some) {
		v := r.judge()
		if v.at >= 0 || v.byChance() {
			odd = append(odd, r.conversation)
			continue
		}
		h.count(&r, v)
	}
	for _, c := range odd {
		r, v := b.sure(c)
		h.count(&r, v)
		if v.at < 0 {
			continue
		}
		if h.unexplained++; h.unexplained <= mostReports {
			r = b.shortened(r)
			t.Errorf("%v", &r)
		}
	}
}

func (h *heard) count(r *pair, v verdict) {
	h.conversations++
	h.steps += v.steps
	if h.reasons == nil {
		h.reasons = map[string]int{}
	}
	for _, why := range v.reasons {
		h.reasons[why]++
	}
	if v.at < 0 && v.steps == len(r.steps) {
		h.whole++
	}
}

func (h *heard) log(t *testing.T) {
	t.Logf("%d conversations of %d steps, %d compared to their ends, %d differ and nothing says why", h.conversations, h.steps, h.whole, h.unexplained)
	for _, why := range slices.SortedFunc(maps.Keys(h.reasons), func(a, b string) int { return h.reasons[b] - h.reasons[a] }) {
		t.Logf("%6d: %s", h.reasons[why], why)
	}
}

// beside plays conversations with both stacks.
func (b *bench) beside(all []conversation) []pair {
	pairs := make([]pair, len(all))
	var heres, theres []netip.AddrPort
	for i, c := range all {
		here, there := b.ports(c.v6)
		heres, theres = append(heres, here), append(theres, there)
		pairs[i].conversation = c
		pairs[i].playOurs(newPeer(newOurs(), here, there, c.irs, c.offer))
	}
	b.kernel.talk(heres, func(i int, s stack) {
		pairs[i].playKernels(newPeer(s, heres[i], theres[i], all[i].irs, all[i].offer))
	})
	return pairs
}

// sure plays one conversation until there is no difference, or it has shown three times
// while the kernel could not be late.
func (b *bench) sure(c conversation) (r pair, v verdict) {
	for shown := 0; shown < 3; {
		started := time.Now()
		r = b.beside([]conversation{c})[0]
		if v = r.judge(); v.at < 0 && !v.byChance() {
			return r, v
		}
		if time.Since(started) < longPatience {
			shown++
		}
	}
	return r, v
}

// shortened makes a conversation shorter as long as it differs and nothing says why.
func (b *bench) shortened(r pair) pair {
	for _, s := range b.beside(r.shorter()) {
		if s.judge().at < 0 {
			continue
		}
		if s, v := b.sure(s.conversation); v.at >= 0 {
			return b.shortened(s)
		}
	}
	return r
}
