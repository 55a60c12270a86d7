package soak

import (
	"reflect"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// undrawn are the settings of an engine that no life draws, and why.
var undrawn = map[string]string{
	"Secret":            "the world makes one for each host",
	"ConnMemory":        "a host that refuses connections for want of memory has tests of its own: a visit that is refused proves nothing",
	"InitialRTO":        "it is MinRTO's, in the first round trip",
	"MaxRTO":            "its range is narrow, and what wakes late finds the same",
	"MinUserTimeout":    "a life gives up after hours, which is what the peer's wish is held between",
	"MaxUserTimeout":    "the same",
	"NotSentLowat":      "programs here write when there is room, whatever waits",
	"FinWait2":          "a life that is over too early is no finding, and one that is over too late is found",
	"AttackEnter":       "they follow from MaxHalfOpen, which a flood draws",
	"AttackLeave":       "the same",
	"VerdictTimeout":    "nobody asks for a verdict here",
	"FastOpenKeys":      "they follow from the host's secret",
	"Authenticator":     "life.go gives one where plan.sign is on",
	"ChallengeInterval": "what is forged is counted, by the default",
}

// Every setting of an engine is drawn by some lives, or there is a reason why not.
func TestEverySettingIsDrawn(t *testing.T) {
	kind := reflect.TypeFor[tcp.Config]()
	drawn := map[string]bool{}
	for seed := range uint64(400) {
		p := draw(seed)
		for side := range p.hosts {
			v := reflect.ValueOf(p.hosts[side].tcp)
			for i := range kind.NumField() {
				if kind.Field(i).IsExported() && !v.Field(i).IsZero() {
					drawn[kind.Field(i).Name] = true
				}
			}
		}
	}
	for i := range kind.NumField() {
		switch name := kind.Field(i).Name; {
		case !kind.Field(i).IsExported():
		case !drawn[name] && undrawn[name] == "":
			t.Errorf("no life draws %s", name)
		case drawn[name] && undrawn[name] != "":
			t.Errorf("%s is drawn, though %s", name, undrawn[name])
		}
	}
}
