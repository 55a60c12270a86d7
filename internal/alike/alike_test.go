package alike

import (
	"runtime/debug"
	"slices"
	"testing"
)

func TestRace(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Skip("this program does not tell how it was compiled")
	}
	if want := slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}); Raced != want || Race() != map[bool]string{true: "-race=true", false: "-race=false"}[want] {
		t.Errorf("%v, %s; want %v", Raced, Race(), want)
	}
}
