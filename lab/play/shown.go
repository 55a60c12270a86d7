package play

import (
	"fmt"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Words returns the title and the summary of a scenario.
func Words(s *lab.Scenario, l story.Lang) (title, summary string) {
	if l == story.Chinese {
		return s.TitleZH, s.SummaryZH
	}
	return s.Title, s.Summary
}

var footers = [...]string{
	story.English: "handfast lab %s --seed %d · sequence numbers count from each SYN, windows are in bytes · not to scale where arrows crowd",
	story.Chinese: "handfast lab %s --seed %d · 序号从各自的 SYN 算起，窗口以字节为单位 · 箭头密集处的时间不按比例",
}

// Footer says how a run was made, and how its picture is to be read.
func Footer(r *lab.Result, l story.Lang) string {
	return fmt.Sprintf(footers[l], r.Scenario.Name, r.Seed)
}

// Picture is the picture of a run, for the steps of t.
func Picture(r *lab.Result, t *story.Telling, l story.Lang, theme story.Theme) story.Picture {
	title, summary := Words(r.Scenario, l)
	return story.Picture{Title: title, Summary: summary, Lanes: t.Lanes, Theme: theme, Lang: l, Footer: Footer(r, l)}
}

// Diagram is the state diagram with the ways of the run's ends.
func Diagram(r *lab.Result, t *story.Telling, l story.Lang, theme story.Theme) story.Diagram {
	title, summary := Words(r.Scenario, l)
	return story.Diagram{Title: title, Summary: summary, Theme: theme, Lang: l, Paths: t.Paths(r.Start)}
}

// PageRun is the run on a page, under a title of its own.
func PageRun(r *lab.Result, t *story.Telling, l story.Lang, title string) story.PageRun {
	_, summary := Words(r.Scenario, l)
	return story.PageRun{Title: title, Summary: summary, Lanes: t.Lanes, Steps: t.Steps, Footer: Footer(r, l)}
}
