package story_test

import (
	"fmt"
	"os"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
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
	//                         :-- [S] seq 0 win 65535 <mss 1460 sack ts ws 5> -------------).
	//                         :   (no listener)                                             .
	//   0.010000              :<- [R.] seq 0 ack 1 win 0 -----------------------------------.
	//   0.020000       CLOSED * connection refused                                          .
	//                         . > connect server 80: connection refused                     .
}
