package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// takes reports what is wrong with a file of options of guard.
func takes(t *testing.T, text string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guard.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var described guardOptions
	f := pflag.NewFlagSet("guard", pflag.ContinueOnError)
	described.addTo(f)
	if err := f.Set("config", file); err != nil {
		t.Fatal(err)
	}
	_, err := readGuard(f)
	return err
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The file of options that is packed is one that guard takes, and so is what it has in remarks.
func TestDeployedOptions(t *testing.T) {
	text := read(t, "deploy/guard.conf")
	for _, all := range []string{text, regexp.MustCompile(`(?m)^# ([a-z-]+ \S+( +#.*)?)$`).ReplaceAllString(text, "$1")} {
		if err := takes(t, all); err != nil {
			t.Errorf("%v\n%s", err, all)
		}
	}
}

// The unit starts what there is, has no right but those that guard needs, and systemd takes it.
func TestDeployedUnit(t *testing.T) {
	const name = "deploy/systemd/handfast-guard.service"
	text := read(t, name)
	has := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			has[key] = value
		}
	}
	words := strings.Fields(has["ExecStart"])
	if err := makesSense(words[1:]); err != nil || words[0] != "/usr/bin/handfast" {
		t.Errorf("ExecStart=%s: %v", has["ExecStart"], err)
	}
	for key, want := range map[string]string{"CapabilityBoundingSet": "CAP_NET_ADMIN CAP_NET_RAW", "AmbientCapabilities": "CAP_NET_ADMIN CAP_NET_RAW",
		"NoNewPrivileges": "yes", "ProtectSystem": "strict", "User": "handfast-guard", "DevicePolicy": "closed", "DeviceAllow": "/dev/net/tun rw"} {
		if has[key] != want {
			t.Errorf("%s=%s, want %s", key, has[key], want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	// Programs of this machine in the place of those that are not installed.
	copied := filepath.Join(t.TempDir(), "handfast-guard.service")
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(text, "/usr/bin/handfast ", "/bin/true ")), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", copied).CombinedOutput(); err != nil || strings.Contains(string(out), "handfast-guard.service:") {
		if !strings.Contains(string(out), "Failed to") || strings.Contains(string(out), "handfast-guard.service:") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	// Its exposure is from 0 to 10; what is left is the network, and the two capabilities.
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=30", copied).CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("systemd-analyze cannot look at a file")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The image is the command alone, built as a static program by the Go that go.mod asks for.
func TestDeployedImage(t *testing.T) {
	text := read(t, "deploy/Dockerfile")
	var steps []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			steps = append(steps, line)
		}
	}
	last := slices.Index(steps, "FROM scratch")
	from := regexp.MustCompile(`^FROM golang:(\d+\.\d+) AS build$`).FindStringSubmatch(steps[0])
	if last < 0 || from == nil || !strings.Contains(read(t, "go.mod"), "\ngo "+from[1]) {
		t.Fatalf("%q", steps)
	}
	if built := strings.Join(steps[:last], "\n"); !strings.Contains(built, "CGO_ENABLED=0 go build -trimpath") || !strings.Contains(built, " ./cmd/handfast") {
		t.Error(built)
	}
	for _, step := range steps[last+1:] {
		if word, _, _ := strings.Cut(step, " "); !slices.Contains([]string{"COPY", "ENV", "ENTRYPOINT"}, word) {
			t.Errorf("in an image with nothing: %s", step)
		}
	}
	if steps[len(steps)-1] != `ENTRYPOINT ["/handfast"]` {
		t.Error(steps[len(steps)-1])
	}
}

// manifest is what the test looks at.
type manifest struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data       map[string]string
	StringData map[string]string `yaml:"stringData"`
	Spec       struct {
		Selector  map[string]any
		Endpoints []struct{ Port string }
		Ports     []struct {
			Name       string
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []container
				Volumes    []map[string]any
			}
		}
	}
}

type container struct {
	Args  []string
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	SecurityContext struct {
		Escalates    *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Drop, Add []string }
	} `yaml:"securityContext"`
}

// The manifests are YAML, name each other by names that there are, run a command that makes
// sense with options that it takes, and give it no right but those that guard needs.
func TestDeployedManifests(t *testing.T) {
	all := map[string]manifest{}
	for d := yaml.NewDecoder(strings.NewReader(read(t, "deploy/kubernetes/guard.yaml"))); ; {
		var m manifest
		err := d.Decode(&m)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all[m.Kind] = m
	}
	set := all["DaemonSet"].Spec.Template
	c := set.Spec.Containers[0]
	if err := makesSense(c.Args); err != nil {
		t.Errorf("%q: %v", c.Args, err)
	}
	options := all["ConfigMap"].Data["guard.conf"]
	if err := takes(t, options); err != nil {
		t.Error(err)
	}
	if drain := regexp.MustCompile(`drain (\d+)s`).FindStringSubmatch(options); drain == nil || drain[1] != "30" || set.Spec.Grace <= 30 {
		t.Errorf("drain %q within %d s", drain, set.Spec.Grace)
	}
	if port := strconv.Itoa(c.Ports[0].ContainerPort); !strings.Contains(options, "metrics 0.0.0.0:"+port+"\n") {
		t.Errorf("the port %s is not that of\n%s", port, options)
	}
	if s := c.SecurityContext; s.Escalates == nil || *s.Escalates || !s.ReadOnly || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) ||
		!slices.Equal(s.Capabilities.Add, []string{"NET_ADMIN", "NET_RAW"}) {
		t.Errorf("%+v", s)
	}
	for _, v := range c.VolumeMounts {
		if !slices.ContainsFunc(set.Spec.Volumes, func(x map[string]any) bool { return x["name"] == v.Name }) {
			t.Errorf("no volume %s", v.Name)
		}
	}
	for kind, m := range all {
		if m.Metadata.Labels["app.kubernetes.io/name"] != "handfast-guard" {
			t.Errorf("%s has the labels %v", kind, m.Metadata.Labels)
		}
	}
	if set.Metadata.Labels["app.kubernetes.io/name"] != "handfast-guard" || len(all["Secret"].StringData["seeds"]) < 16 ||
		all["Service"].Spec.Ports[0].TargetPort != c.Ports[0].Name || all["ServiceMonitor"].Spec.Endpoints[0].Port != all["Service"].Spec.Ports[0].Name {
		t.Error("what names the pods, the seeds or the port leads nowhere")
	}
}

// The Debian package has the command, its manual pages and completions, and the unit; and is
// the same each time that it is made.
func TestDebianPackage(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("no dpkg-deb here")
	}
	if testing.Short() {
		t.Skip("it makes two large packages")
	}
	self := publicCopy(t)
	var made [2][]byte
	for i := range made {
		to := t.TempDir()
		cmd := exec.Command("deploy/debian/build.sh", self, to)
		cmd.Env = append(os.Environ(), "VERSION=1.2.3", "SOURCE_DATE_EPOCH=1700000000", "ARCH=amd64", "COMPRESSION=none")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		name := strings.TrimSpace(string(out))
		made[i] = []byte(read(t, name))
		listed, err := exec.Command("dpkg-deb", "--contents", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"./usr/bin/handfast", "./usr/share/man/man1/handfast-guard.1.gz", "./usr/share/bash-completion/completions/handfast",
			"./usr/share/zsh/vendor-completions/_handfast", "./usr/share/fish/vendor_completions.d/handfast.fish",
			"./lib/systemd/system/handfast-guard.service", "./usr/lib/sysusers.d/handfast-guard.conf", "./etc/handfast/guard.conf"} {
			if !bytes.Contains(listed, []byte(" "+file+"\n")) {
				t.Errorf("no %s in\n%s", file, listed)
			}
		}
		if version, err := exec.Command("dpkg-deb", "--field", name, "Version").Output(); string(version) != "1.2.3\n" || err != nil {
			t.Errorf("version %q, %v", version, err)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("two packages of one program differ")
	}
}
