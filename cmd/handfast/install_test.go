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
	"strings"
	"testing"
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
	cached := filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download")
	// Without paths of directories in what is compiled, the build cache has it the next time.
	cmd := exec.Command("go", "install", "-trimpath", rootModule+"/cmd/handfast@"+publishedVersion)
	cmd.Dir = gopath
	cmd.Env = append(os.Environ(), "GOPATH="+gopath, "GOMODCACHE=", "GOBIN=", "GOWORK=off", "GOSUMDB=off", "GOTOOLCHAIN=local",
		"GOFLAGS=-mod=mod -modcacherw", "GOCACHE="+goEnv(t, "GOCACHE"),
		"GOPROXY=file://"+filepath.ToSlash(proxy)+",file://"+filepath.ToSlash(cached)+","+goEnv(t, "GOPROXY"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(gopath, "bin", "handfast"), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "handfast "+publishedVersion+" ") {
		t.Errorf("%v: %s", err, out)
	}
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
