package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/internal/alike"
)

// The version of the command that the test publishes.
const publishedVersion = "v0.0.0-test"

// "go install …/cmd/handfast@version" works from what a module proxy would have
// of this tree: no replacement, no version that does not exist, no file that a
// module leaves out. A directory serves as the proxy, and for the modules of others the
// module cache, or who else has them: the workspace may do with later ones.
func TestInstallFromProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the command")
	}
	t.Parallel()
	proxy, gopath := t.TempDir(), t.TempDir()
	publish(t, proxy, "../..", rootModule, requiredVersion(t))
	publish(t, proxy, ".", rootModule+"/cmd/handfast", publishedVersion)
	cmd := exec.Command("go", slices.Concat([]string{"install"}, outsideFlags, []string{rootModule + "/cmd/handfast@" + publishedVersion})...)
	cmd.Dir, cmd.Env = gopath, outsideEnv(t, proxy, gopath)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(gopath, "bin", "handfast"), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "handfast "+publishedVersion+" ") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = exec.Command(filepath.Join(gopath, "bin", "handfast"), "try", "--link", "memory", "--size", "1MiB").CombinedOutput()
	if err != nil || strings.Count(string(out), "SHA-256 equal") != 2 {
		t.Errorf("%v: %s", err, out)
	}
}

// outsideFlags are how what comes from a proxy is compiled: without paths, and as this test is, so that the build cache has
// what others wrote. Ours is compiled anew, as quickly as can be.
var outsideFlags = []string{alike.Race(), "-trimpath", "-gcflags=" + rootModule + "/...=-l"}

// outsideEnv is the environment of a go command that has modules from a directory, and those of others
// from the module cache or who else has them.
func outsideEnv(t *testing.T, proxy, gopath string) []string {
	t.Helper()
	cached := filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download")
	return append(os.Environ(), "GOPATH="+gopath, "GOMODCACHE=", "GOBIN=", "GOWORK=off", "GOSUMDB=off", "GOGC=400", "GOTOOLCHAIN=local",
		"GOFLAGS=-mod=mod -modcacherw", "GOCACHE="+goEnv(t, "GOCACHE"),
		"GOPROXY=file://"+filepath.ToSlash(proxy)+",file://"+filepath.ToSlash(cached)+","+goEnv(t, "GOPROXY"))
}

// A module of others gets the library by "go get …@version" from what a proxy would have of it, and
// does its work: it serves a page and asks for it. Of all that the workspace has it gets nothing else.
func TestGetFromProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the library")
	}
	t.Parallel()
	proxy := t.TempDir()
	version := requiredVersion(t)
	publish(t, proxy, "../..", rootModule, version)
	told, mod := getAndRun(t, proxy, "testdata/outside/main.go", rootModule+"@"+version)
	if told != "1048576 bytes came as they were sent\n" {
		t.Error(told)
	}
	required := regexp.MustCompile(`(?m)^(?:require|\t)\s*(\S+) v`).FindAllStringSubmatch(mod, -1)
	for _, r := range required {
		if r[1] != rootModule && r[1] != "golang.org/x/sys" {
			t.Errorf("it needs %s, too", r[1])
		}
	}
	if len(required) == 0 {
		t.Error(mod)
	}
}

// The modules beside the library are got in the same way, each by its own version, and work with the library's.
func TestGetModulesFromProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the library")
	}
	t.Parallel()
	proxy := t.TempDir()
	publish(t, proxy, "../..", rootModule, requiredVersion(t))
	var modules []string
	for _, name := range []string{"wgnet", "metrics"} {
		publish(t, proxy, filepath.Join("../..", name), rootModule+"/"+name, publishedVersion)
		modules = append(modules, rootModule+"/"+name+"@"+publishedVersion)
	}
	if told, mod := getAndRun(t, proxy, "testdata/adapters/main.go", modules...); told != "a page, and 1 handshake\n" {
		t.Errorf("%s\n%s", told, mod)
	}
}

// getAndRun has a new module of others get what its program needs from a proxy, and returns what the program tells, and its go.mod.
func getAndRun(t *testing.T, proxy, program string, modules ...string) (told, mod string) {
	t.Helper()
	gopath, outside := t.TempDir(), t.TempDir()
	text, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(filepath.Join(outside, "main.go"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mod", "init", "example.org/outside"}, append([]string{"get"}, modules...), slices.Concat([]string{"run"}, outsideFlags, []string{"."})} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = outside, outsideEnv(t, proxy, gopath)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
		told = string(out)
	}
	text, err = os.ReadFile(filepath.Join(outside, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	return told, string(text)
}

const rootModule = "github.com/handfast-tcp/handfast"

// requiredVersion is the library's version that the command's go.mod asks for.
func requiredVersion(t *testing.T) string {
	t.Helper()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\s*` + rootModule + ` (v\S+)$`).FindSubmatch(mod)
	if found == nil {
		t.Fatal("go.mod does not require the library")
	}
	return string(found[1])
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Skipf("no go command here: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// publish writes the files by which a module proxy offers a version of the module
// in dir. https://go.dev/ref/mod#goproxy-protocol
func publish(t *testing.T, proxy, dir, module, version string) {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	at := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	err = errors.Join(err, os.MkdirAll(at, 0o755))
	var files bytes.Buffer
	err = errors.Join(err, zipModule(&files, dir, module+"@"+version+"/"))
	for name, content := range map[string][]byte{"list": []byte(version + "\n"), version + ".mod": mod, version + ".zip": files.Bytes(),
		version + ".info": []byte(`{"Version":"` + version + `","Time":"2026-01-01T00:00:00Z"}`)} {
		err = errors.Join(err, os.WriteFile(filepath.Join(at, name), content, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// zipModule packs a module's files, without those of modules below it.
func zipModule(out *bytes.Buffer, dir, prefix string) error {
	z := zip.NewWriter(out)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != dir {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil || strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
		}
		if !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		w, err := z.Create(prefix + filepath.ToSlash(name))
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	})
	return errors.Join(err, z.Close())
}
