package capture

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// zeekFields are the columns of Zeek's conn.log, with their types.
// https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html
var zeekFields = [][2]string{
	{"ts", "time"}, {"uid", "string"}, {"id.orig_h", "addr"}, {"id.orig_p", "port"}, {"id.resp_h", "addr"}, {"id.resp_p", "port"},
	{"proto", "enum"}, {"service", "string"}, {"duration", "interval"}, {"orig_bytes", "count"}, {"resp_bytes", "count"},
	{"conn_state", "string"}, {"local_orig", "bool"}, {"local_resp", "bool"}, {"missed_bytes", "count"}, {"history", "string"},
	{"orig_pkts", "count"}, {"orig_ip_bytes", "count"}, {"resp_pkts", "count"}, {"resp_ip_bytes", "count"},
	{"tunnel_parents", "set[string]"}, {"ip_proto", "count"}, {"community_id", "string"},
}

// WriteZeekHeader begins a conn.log that zeek-cut reads.
func WriteZeekHeader(w io.Writer) error {
	var names, types []string
	for _, f := range zeekFields {
		names, types = append(names, f[0]), append(types, f[1])
	}
	_, err := fmt.Fprintf(w, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields\t%s\n#types\t%s\n",
		strings.Join(names, "\t"), strings.Join(types, "\t"))
	return err
}

// WriteZeek writes the connection as a line of a conn.log.
func (c *Conn) WriteZeek(w io.Writer) error {
	o, r := &c.Sides[Client], &c.Sides[Server]
	duration, sent, received := "-", "-", "-"
	if lasted := c.history.last.Sub(c.First); lasted > 0 {
		duration, sent, received = seconds(lasted), count(o.Bytes), count(r.Bytes)
	}
	fields := []string{
		instant(c.First), c.UID(), c.Tuple.Local.String(), strconv.Itoa(int(c.Tuple.LocalPort)), c.Tuple.Remote.String(), strconv.Itoa(int(c.Tuple.RemotePort)),
		"tcp", "-", duration, sent, received,
		c.State(), "-", "-", count(c.history.missed), c.History(),
		count(o.Packets), count(o.IPBytes), count(r.Packets), count(r.IPBytes),
		"-", strconv.Itoa(protoTCP), c.CommunityID(),
	}
	_, err := io.WriteString(w, strings.Join(fields, "\t")+"\n")
	return err
}

// UID names the connection as Zeek does, by its tuple and its beginning: the same capture
// gives the same names.
func (c *Conn) UID() string {
	h := fnv.New128a()
	fmt.Fprint(h, c.Tuple, c.Stream)
	sum := h.Sum(binary.BigEndian.AppendUint64(nil, uint64(c.First)))
	text := base64.RawURLEncoding.EncodeToString(sum[8:])
	return "C" + strings.NewReplacer("-", "x", "_", "y").Replace(text)[:17]
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 6, 64) }

func instant(t clock.Time) string {
	return fmt.Sprintf("%d.%06d", int64(t)/1e9, int64(t)%1e9/1e3)
}
