package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

const manHelp = `Writes the manual pages, one for each command: handfast.1, handfast-ss.1 and so
on, into DIR, which is made when it is not there. Without DIR the page of
handfast itself goes to standard output. They say what --help says.`

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man [DIR]",
		Short: "Write manual pages",
		Long:  manHelp,
		Example: `  handfast man | man -l -
  sudo handfast man /usr/local/share/man/man1`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			keepTables(root)
			head := &doc.GenManHeader{Section: "1", Source: "handfast " + version(), Manual: "Handfast"}
			if len(args) == 0 {
				return doc.GenMan(root, head, cmd.OutOrStdout())
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("no folder for the pages: %w", err)
			}
			return doc.GenManTree(root, head, args[0])
		},
	}
}

// manWidth is how many columns a manual page leaves on a terminal of 80.
const manWidth = 71

// keepTables marks what is indented in the long help of a command and of those
// below it as text whose lines must stay, as Markdown has it.
func keepTables(cmd *cobra.Command) {
	cmd.Long = strings.ReplaceAll(fitText(cmd.Long, manWidth), "\n  ", "\n      ")
	for _, c := range cmd.Commands() {
		keepTables(c)
	}
}
