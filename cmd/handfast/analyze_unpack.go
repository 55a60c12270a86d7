package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// unpacked is a file and what reads it.
type unpacked struct {
	io.Reader
	file io.Closer
}

func (u *unpacked) Close() error { return u.file.Close() }

// unpack looks at how a file begins, and unpacks it if it is packed.
func unpack(f io.ReadCloser) (io.ReadCloser, error) {
	in := bufio.NewReader(f)
	magic, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return nil, err
	}
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(in)
		if err != nil {
			f.Close()
			return nil, err
		}
		return &unpacked{z, f}, nil
	case len(magic) == 4 && string(magic) == "\x28\xb5\x2f\xfd":
		f.Close()
		return nil, say.Errorf(say.Text{"it is packed by zstd: zstd -dc FILE | handfast analyze -", "文件由 zstd 压缩：zstd -dc FILE | handfast analyze -"})
	}
	return &unpacked{in, f}, nil
}
