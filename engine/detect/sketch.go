package detect

import (
	"math"
	"math/bits"
)

// sketch estimates how many different things were added: HyperLogLog
// (Flajolet, Fusy, Gandouet, Meunier, 2007), with a standard error of 4.6 %.
type sketch [512]uint8

// add takes a hash: nine bits choose the register, the position of the first one in the
// others is the rank. The bit behind them ends the search where all are 0.
func (s *sketch) add(h uint64) {
	rank := uint8(bits.LeadingZeros64(h<<9|1<<8) + 1)
	if r := &s[h>>55]; *r < rank {
		*r = rank
	}
}

func (s *sketch) merge(o *sketch) {
	for i, r := range o {
		s[i] = max(s[i], r)
	}
}

// count returns the estimate; small ones by the number of empty registers, which is more
// exact up to two and a half things for each. The constants are those of the paper, figure 3.
func (s *sketch) count() float64 {
	const m = float64(len(s))
	sum, empty := 0.0, 0
	for _, r := range s {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			empty++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if empty > 0 && estimate <= 2.5*m {
		return m * math.Log(m/float64(empty))
	}
	return estimate
}

// majority finds the port that more than half of the SYNs are for, if there is
// one: the vote of Boyer and Moore (1981).
type majority struct {
	port  uint16
	votes uint32
}

func (m *majority) add(port uint16) {
	switch {
	case m.port == port:
		m.votes++
	case m.votes == 0:
		m.port, m.votes = port, 1
	default:
		m.votes--
	}
}

// fade lets old votes count less: after a flood of one port another one shows within
// seconds.
func (m *majority) fade() { m.votes /= 8 }
