package story_test

import (
	"fmt"
	"io"
	"os"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// A scenario of the lab as a ladder.
func Example() {
	s, err := lab.Find("connection-refused")
	if err != nil {
		panic(err)
	}
	r, err := s.Run(lab.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Title)
	t := story.Tell(&r.Run, story.TellOptions{})
	story.Ladder{Lanes: t.Lanes, ASCII: true}.Write(os.Stdout, t.Steps)
	// Output:
	// A connection refused
	//                    client                                                             server
	//                  10.0.0.1                                                             10.0.0.2
	//                  CLOSED .                                                             . CLOSED
	//   0.000000              . > connect server 80                                         .
	//                SYN-SENT * active open                                                 .
	//                         :-- [S] seq 0 win 65535 <mss 1460 sack ts ws 9> -------------).
	//                         :   (no listener)                                             .
	//   0.010000              :<- [R.] seq 0 ack 1 win 0 -----------------------------------.
	//   0.020000       CLOSED * connection refused                                          .
	//                         . > connect server 80: connection refused                     .
}

// Two runs beside each other on a page that steps through both, and what is
// different between them.
func ExamplePage() {
	page := story.Page{Title: "A lost SYN"}
	var runs []*trace.Run
	for _, name := range []string{"three-way-handshake", "three-way-handshake-lost-syn"} {
		s, err := lab.Find(name)
		if err != nil {
			panic(err)
		}
		r, err := s.Run(lab.Options{Seed: 1})
		if err != nil {
			panic(err)
		}
		t := story.Tell(&r.Run, story.TellOptions{Explain: true})
		page.Runs = append(page.Runs, story.PageRun{Title: s.Title, Lanes: t.Lanes, Steps: t.Steps})
		runs = append(runs, &r.Run)
	}
	page.Differences = story.Compare(story.English, runs...)
	if err := page.Write(io.Discard); err != nil { // or a file
		panic(err)
	}
	for _, d := range page.Differences {
		fmt.Println(d.Name, d.Values)
	}
	// Output:
	// client: ESTABLISHED after [20 ms 1.02 s]
	// server: ESTABLISHED after [30 ms 1.03 s]
	// packets [7 8]
	// of them lost [0 1]
	// sent again [0 1]
	// time until the last event [61.02 s 61.04 s]
}
