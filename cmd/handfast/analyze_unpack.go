package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// unpacked is a file and what reads it.
type unpacked struct {
	io.Reader
	file io.Closer
}

func (u *unpacked) Close() error { return u.file.Close() }

// maxWindow bounds how far back a file packed by zstd may refer, in bytes: as much as
// zstd itself reads without being told to, and memory is taken for it.
const maxWindow = 1 << 27

// closers are closed one after the other.
type closers []io.Closer

func (c closers) Close() error {
	var all []error
	for _, one := range c {
		all = append(all, one.Close())
	}
	return errors.Join(all...)
}

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
	case string(magic) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			f.Close()
			return nil, err
		}
		return &unpacked{z, closers{z.IOReadCloser(), f}}, nil
	}
	return &unpacked{in, f}, nil
}
