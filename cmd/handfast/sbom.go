package main

import (
	"encoding/json"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// bom is a bill of materials: CycloneDX 1.6, as JSON, with what the Go command knows of a program.
//
// https://cyclonedx.org/docs/1.6/json/
type bom struct {
	Format   string      `json:"bomFormat"`
	Spec     string      `json:"specVersion"`
	Version  int         `json:"version"`
	Metadata bomMetadata `json:"metadata"`
	// Components are the modules that are compiled in, and the Go that has compiled them.
	Components []bomComponent `json:"components"`
}

type bomMetadata struct {
	Component bomComponent `json:"component"`
}

type bomComponent struct {
	Type       string        `json:"type"`
	Ref        string        `json:"bom-ref"`
	Name       string        `json:"name"`
	Version    string        `json:"version,omitempty"`
	PURL       string        `json:"purl"`
	Properties []bomProperty `json:"properties,omitempty"`
}

type bomProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// newBOM tells what a program was built of, and how.
func newBOM(info *debug.BuildInfo) *bom {
	b := &bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: bomMetadata{moduleOf("application", &info.Main)}}
	for _, s := range info.Settings {
		b.Metadata.Component.Properties = append(b.Metadata.Component.Properties, bomProperty{"go:build:" + s.Key, s.Value})
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, moduleOf("library", m))
	}
	std := debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
	b.Components = append(b.Components, moduleOf("library", &std))
	return b
}

func moduleOf(kind string, m *debug.Module) bomComponent {
	c := bomComponent{Type: kind, Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path}
	if m.Version != "" {
		c.PURL += "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	}
	c.Ref = c.PURL
	if m.Sum != "" {
		c.Properties = []bomProperty{{"go:sum", m.Sum}}
	}
	return c
}

// writeBOM writes the bill of this program.
func writeBOM(w io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(newBOM(info))
}
