package netem

import (
	"fmt"
	"time"
)

// Limits of Config. Within them no sum of times or bytes overflows.
const (
	MaxDelay      = time.Hour
	MaxRate       = 1 << 40 // bits per second
	MaxQueueBytes = 1 << 30
	MaxPackets    = 1 << 20 // of Limit
)

// setting is a number of a Config and its range.
type setting struct {
	name        string
	value       float64
	least, most float64
	unit        string
	settle      func(float64)
}

func ranged[T ~int | ~int64 | ~uint64 | ~float64](name string, field *T, most T, unit string) setting {
	return setting{name, float64(*field), 0, float64(most), unit, func(v float64) { *field = T(v) }}
}

func (c *Config) settings() []setting {
	b := &c.Burst
	return []setting{
		ranged("Delay", &c.Delay, MaxDelay, " ns"), ranged("Jitter", &c.Jitter, MaxDelay, " ns"),
		ranged("ReorderDelay", &c.ReorderDelay, MaxDelay, " ns"),
		ranged("Loss", &c.Loss, 1, ""), ranged("Duplicate", &c.Duplicate, 1, ""),
		ranged("Reorder", &c.Reorder, 1, ""), ranged("Corrupt", &c.Corrupt, 1, ""),
		ranged("Burst.ToBad", &b.ToBad, 1, ""), ranged("Burst.ToGood", &b.ToGood, 1, ""),
		ranged("Burst.LossGood", &b.LossGood, 1, ""), ranged("Burst.LossBad", &b.LossBad, 1, ""),
		ranged("Rate", &c.Rate, MaxRate, " bit/s"), ranged("QueueBytes", &c.QueueBytes, MaxQueueBytes, " bytes"),
		ranged("MarkBytes", &c.MarkBytes, MaxQueueBytes, " bytes"),
		ranged("Limit", &c.Limit, MaxPackets, " packets"),
	}
}

// inside also refuses what is not a number, which no comparison holds for.
func (s *setting) inside() bool { return s.value >= s.least && s.value <= s.most }

// Check returns an error that names the first field outside its range.
func (c Config) Check() error {
	for _, s := range c.settings() {
		if !s.inside() {
			return fmt.Errorf("netem.Config.%s is %v; it may be %v to %v%s", s.name, s.value, s.least, s.most, s.unit)
		}
	}
	return nil
}

// settled returns c with the nearest value inside the range of each field; what is
// not a number is zero.
func (c Config) settled() Config {
	for _, s := range c.settings() {
		if !s.inside() {
			v := s.least
			if s.value > s.most {
				v = s.most
			}
			s.settle(v)
		}
	}
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	return c
}
