package seeds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/servers"
)

// maxAnswer bounds what a server says: etcd's own bound of what a key holds is 1.5 MiB.
const maxAnswer = 4 << 20

// inEtcd is how a place in etcd is written.
var inEtcd = servers.Form{Plain: "etcd", TLS: "etcds", Port: "2379", What: "key"}

// etcdStore asks a key of etcd, by the JSON that each of its servers speaks beside gRPC
// (docs/decisions/0011-clients-of-stores.md). The answer needs most servers of a cluster, so one that is cut
// off does not go on with what is old.
type etcdStore struct {
	place  servers.Place
	client *http.Client

	mu      sync.Mutex
	servers []string // their URLs: the first one is asked first
	token   string   // what a server gave for the password
}

// openEtcd finds a key at etcd://user:password@host:2379,host:2379/key.
func openEtcd(where string) (*etcdStore, error) {
	place, err := inEtcd.Parse(where)
	if err != nil {
		return nil, say.Errorf(say.All("seeds: %w"), err)
	}
	// A server that sends us elsewhere does not get the password there.
	s := &etcdStore{place: place, client: &http.Client{Transport: &http.Transport{TLSClientConfig: place.TLS, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 1}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	for _, server := range place.Servers {
		if s.servers = append(s.servers, "http://"+server); place.TLS != nil {
			s.servers[len(s.servers)-1] = "https://" + server
		}
	}
	ctx, give := context.WithTimeout(context.Background(), firstPatience)
	defer give()
	if _, err = s.get(ctx); err != nil {
		s.Close()
		return nil, say.Errorf(say.All("seeds: %s: %w"), place.Shown, err)
	}
	return s, nil
}

// Seeds returns what the key holds.
func (s *etcdStore) Seeds() ([][]byte, error) {
	ctx, give := context.WithTimeout(context.Background(), patience)
	defer give()
	text, err := s.get(ctx)
	if _, said := errors.AsType[*etcdError](err); err != nil && !said {
		err = errAway // whichever of the servers it was asked of: it is said once
	}
	if err != nil {
		return nil, say.Errorf(say.All("seeds: %s: %w"), s.place.Shown, err)
	}
	return parse(s.place.Shown, text)
}

// Close ends the connections.
func (s *etcdStore) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// get asks one server after the other, until one answers. Who does not is asked last the next time.
func (s *etcdStore) get(ctx context.Context) (text []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, _ := ctx.Deadline()
	for left := len(s.servers); left > 0; left-- {
		one, give := context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		text, err = s.ask(one)
		give()
		if err == nil {
			break
		}
		s.servers = append(s.servers[1:len(s.servers):len(s.servers)], s.servers[0])
	}
	return text, err
}

// ask asks the first server. A token that it does not take any more is replaced.
func (s *etcdStore) ask(ctx context.Context) ([]byte, error) {
	var got struct {
		Kvs []struct{ Value []byte }
	}
	had := s.token != ""
	err := s.authenticate(ctx)
	if err == nil {
		err = s.call(ctx, "kv/range", map[string][]byte{"key": []byte(s.place.What)}, &got)
	}
	if _, said := errors.AsType[*etcdError](err); said && had {
		s.token = ""
		return s.ask(ctx)
	}
	switch {
	case err != nil:
		return nil, err
	case len(got.Kvs) == 0:
		return nil, &etcdError{say.Errorf(say.Text{`no key %q (etcdctl put %s < seeds makes one)`, `没有键 %q（可用 etcdctl put %s < seeds 创建）`},
			s.place.What, s.place.What)}
	}
	return got.Kvs[0].Value, nil
}

// authenticate gets a token for the password, where there is one.
func (s *etcdStore) authenticate(ctx context.Context) error {
	if s.place.User == nil || s.token != "" {
		return nil
	}
	password, _ := s.place.User.Password()
	var got struct{ Token string }
	err := s.call(ctx, "auth/authenticate", map[string]string{"name": s.place.User.Username(), "password": password}, &got)
	s.token = got.Token
	return err
}

// etcdError is what a server says, or what its answer lacks: the server is not away.
type etcdError struct{ error }

func (e *etcdError) Unwrap() error { return e.error }

// call asks the first server for a method of its API.
// https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
func (s *etcdStore) call(ctx context.Context, method string, request, answer any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.servers[0]+"/v3/"+method, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		r.Header.Set("Authorization", s.token)
	}
	got, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	text, err = io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case got.StatusCode == http.StatusOK:
		return json.Unmarshal(text, answer)
	case got.StatusCode == http.StatusNotFound:
		return &etcdError{say.Errorf(say.Text{"%s has no /v3/%s: etcd 3.4 or later is needed, with its gRPC gateway", "%s 没有 /v3/%s：需要 3.4 及以上版本的 etcd，并启用其 gRPC 网关"}, s.servers[0], method)}
	}
	return refusal(got, text)
}

// refusal is what a server says that does not do what it is asked. While it has no leader, or
// stops, it is as good as away.
func refusal(got *http.Response, text []byte) error {
	var said struct{ Message, Error string }
	_ = json.Unmarshal(text, &said) // what is no JSON says nothing
	for _, why := range []string{said.Message, said.Error, got.Status} {
		if why == "" {
			continue
		}
		if got.StatusCode >= http.StatusInternalServerError {
			return errors.New(why)
		}
		return &etcdError{errors.New(why)}
	}
	return fmt.Errorf("status %d", got.StatusCode)
}
