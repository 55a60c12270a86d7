package main

import (
	"os"
	"path/filepath"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	scenariobook "github.com/handfast-tcp/handfast/lab/book"
)

// writeBook writes the book of all scenarios.
func (o *labOptions) writeBook(args []string) error {
	if len(args) > 0 {
		return usagef(say.Text{"--book writes of all scenarios: give no name", "--book 写出全部场景：请不要给名称"})
	}
	files, err := scenariobook.Files()
	if err != nil {
		return err
	}
	for name, text := range files {
		file := filepath.Join(o.book, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
