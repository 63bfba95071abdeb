//go:build linux

package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

const version = "1.2.3"

// What scripts/package.sh makes, for this architecture, is what a system needs.
func TestPackages(t *testing.T) {
	t.Parallel()
	for _, k := range []tool{
		{"github.com/goreleaser/nfpm/v2", "cmd/nfpm", "v2.45.2"},
		{"github.com/CycloneDX/cyclonedx-gomod", "cmd/cyclonedx-gomod", "v1.10.0"},
	} {
		if command := k.args(t)[2]; !strings.Contains(read(t, "../../scripts/package.sh"), "="+command+"\n") {
			t.Fatalf("scripts/package.sh does not run %s", command)
		}
	}
	dir := t.TempDir()
	packages(t, dir)
	for name, test := range map[string]func(t *testing.T, dir string){
		"Debian's comes and goes": comesAndGoes, "RPM's has the same files": hasTheSameFiles,
		"the bill has every module": hasEveryModule, "the bytes are the same again": isReproducible,
	} {
		t.Run(name, func(t *testing.T) { test(t, dir) })
	}
}

func packages(t testing.TB, dir string) {
	t.Helper()
	output(t, ".", nil, "env", "SOURCE_DATE_EPOCH=1700000000", "sh", "../../scripts/package.sh", version, dir, runtime.GOARCH)
}

// one is the only file of the folder with that ending.
func one(t testing.TB, dir, ending string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	if err != nil || len(found) != 1 {
		t.Fatalf("files with the ending %s = %q, %v; want one", ending, found, err)
	}
	return found[0]
}

// installs are the files of both packages, with their modes.
var installs = map[string]os.FileMode{
	"/usr/bin/event_dispatcher":                        0o755,
	"/usr/lib/systemd/system/event-dispatcher.service": 0o644,
	"/usr/lib/systemd/system/event-dispatcher.socket":  0o644,
	"/etc/default/event-dispatcher":                    0o644,
	"/usr/share/doc/event-dispatcher/copyright":        0o644,
	"/usr/share/doc/event-dispatcher/README.md":        0o644,
	"/usr/share/doc/event-dispatcher/alerts.yml":       0o644,
	"/usr/share/doc/event-dispatcher/docs/secure.md":   0o644,
}

// A debian is an empty Debian system in a folder, where systemd seems to run.
type debian struct {
	t    testing.TB
	root string
	log  string // what systemctl was asked for
	path string // with a systemctl that does nothing else
}

func newDebian(t testing.TB) debian {
	t.Helper()
	testkit.Need(t, "dpkg", "dpkg-deb")
	d := debian{t: t, root: t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "run/systemd/system", "bin"} {
		if err := os.MkdirAll(filepath.Join(d.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	d.log = filepath.Join(bin, "log")
	script := "#!/bin/sh\necho \"$@\" >>" + d.log + "\n"
	for name, text := range map[string]string{filepath.Join(bin, "systemctl"): script, filepath.Join(d.root, "var/lib/dpkg/status"): ""} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d.path = bin + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin"
	return d
}

// dpkg runs it on this system alone; scripts of packages, too.
func (d debian) dpkg(args ...string) string {
	d.t.Helper()
	all := append([]string{"PATH=" + d.path, "dpkg", "--root=" + d.root, "--force-not-root,script-chrootless,architecture", "--log=/dev/null"}, args...)
	return string(output(d.t, ".", nil, append([]string{"env"}, all...)...))
}

// asked is what systemctl was asked for since the last call.
func (d debian) asked() string {
	d.t.Helper()
	text, err := os.ReadFile(d.log)
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
	if err := os.RemoveAll(d.log); err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func (d debian) has(file string) bool {
	_, err := os.Stat(filepath.Join(d.root, file))
	return err == nil
}

// Installed, the package has its files and the program runs with its settings; removed,
// it leaves the settings; purged, nothing.
func comesAndGoes(t *testing.T, dir string) {
	deb := one(t, dir, ".deb")
	d := newDebian(t)
	d.dpkg("--install", deb)
	for file, mode := range installs {
		info, err := os.Stat(filepath.Join(d.root, file))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s = %v, %v; want %v", file, info, err, mode)
		}
	}
	if got := d.asked(); got != "daemon-reload\n" {
		t.Errorf("an installation asks systemctl for %q; want daemon-reload", got)
	}
	wantInstalledProgram(t, d.root)

	settings := filepath.Join(d.root, "etc/default/event-dispatcher")
	if err := os.WriteFile(settings, []byte("PORT=:80\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	d.dpkg("--force-confold", "--install", deb) // an upgrade
	if got := d.asked(); got != "daemon-reload\ndaemon-reload\n" {
		t.Errorf("an upgrade asks systemctl for %q; want no stop", got)
	}
	if text := read(t, settings); text != "PORT=:80\n" {
		t.Errorf("after an upgrade the settings are %q; want the administrator's", text)
	}

	d.dpkg("--remove", "event-dispatcher")
	if got := d.asked(); got != "disable --now event-dispatcher.socket event-dispatcher.service\ndaemon-reload\n" {
		t.Errorf("a removal asks systemctl for %q; want an end before", got)
	}
	for file := range installs {
		if left := d.has(file); left != (file == "/etc/default/event-dispatcher") {
			t.Errorf("after a removal %s is there: %v; want the settings alone", file, left)
		}
	}
	d.dpkg("--purge", "event-dispatcher")
	if d.has("/etc/default/event-dispatcher") || d.has("/usr/share/doc/event-dispatcher") {
		t.Error("after a purge something is left")
	}
}

// wantInstalledProgram holds the program below root to its version, and to understand
// the settings, also those that the file has as examples.
func wantInstalledProgram(t testing.TB, root string) {
	t.Helper()
	unit := read(t, filepath.Join(root, "usr/lib/systemd/system/event-dispatcher.service"))
	for _, line := range []string{"ExecStart=/usr/bin/event_dispatcher\n", "EnvironmentFile=-/etc/default/event-dispatcher\n", "DynamicUser=yes\n"} {
		if !strings.Contains(unit, line) {
			t.Errorf("the unit is without %q", line)
		}
	}
	program := filepath.Join(root, "usr/bin/event_dispatcher")
	if out := output(t, ".", nil, program, "-version"); !strings.Contains(string(out), runtime.Version()) {
		t.Errorf("-version = %q; want what it was built with", out)
	}
	settings := read(t, filepath.Join(root, "etc/default/event-dispatcher"))
	var env []string
	for line := range strings.Lines(settings) {
		if line = strings.TrimPrefix(strings.TrimSpace(line), "#"); !strings.Contains(line, " ") && strings.Contains(line, "=") {
			env = append(env, line)
		}
	}
	if len(env) < 3 {
		t.Errorf("the settings have the examples %q; want some", env)
	}
	cmd := exec.Command(program, "-check")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "nothing reads") {
		t.Errorf("-check with %q: %v\n%s", env, err, out)
	}
}

// The RPM package has the same files, and settings that an upgrade leaves alone.
func hasTheSameFiles(t *testing.T, dir string) {
	testkit.Need(t, "rpm")
	file := one(t, dir, ".rpm")
	query := func(args ...string) string {
		return string(output(t, ".", nil, append([]string{"rpm", "--dbpath", t.TempDir(), "--query", "--package", file}, args...)...))
	}
	got := map[string]os.FileMode{}
	for line := range strings.Lines(query("--queryformat", `[%{FILENAMES} %{FILEMODES:octal} %{FILEFLAGS:fflags}.\n]`)) {
		var name, flags string
		var mode os.FileMode
		fmt.Sscanf(line, "%s %o %s", &name, &mode, &flags)
		if want := strings.HasPrefix(name, "/etc/"); strings.Contains(flags, "cn") != want {
			t.Errorf("%s has the flags %q; want those of settings: %v", name, flags, want)
		}
		got[name] = mode & os.ModePerm
	}
	for name, mode := range installs {
		if got[name] != mode {
			t.Errorf("%s has the mode %v; want %v", name, got[name], mode)
		}
	}
	if scripts := query("--scripts"); strings.Count(scripts, "scriptlet") != 3 {
		t.Errorf("the scripts are\n%s\nwant three", scripts)
	}
	output(t, ".", nil, "rpm", "--dbpath", t.TempDir(), "--checksig", "--nosignature", file)
}

// The bill of materials has the modules that the program says it is made of.
func hasEveryModule(t *testing.T, dir string) {
	var bill struct {
		BOMFormat string
		Metadata  struct {
			Component struct{ Version string }
		}
		Components []struct{ Name, Version, PURL string }
	}
	path := one(t, dir, ".cdx.json")
	if err := json.Unmarshal([]byte(read(t, path)), &bill); err != nil {
		t.Fatal(err)
	}
	if bill.BOMFormat != "CycloneDX" || bill.Metadata.Component.Version != "v"+version {
		t.Errorf("the bill is of %q %q; want CycloneDX, v%s", bill.BOMFormat, bill.Metadata.Component.Version, version)
	}
	modules := 0
	for line := range strings.Lines(string(output(t, ".", nil, "go", "version", "-m", strings.TrimSuffix(path, ".cdx.json")))) {
		words := strings.Fields(line)
		if words[0] != "dep" {
			continue
		}
		modules++
		if !slices.ContainsFunc(bill.Components, func(c struct{ Name, Version, PURL string }) bool {
			return c.Name == words[1] && c.Version == words[2]
		}) {
			t.Errorf("the bill is without %s %s", words[1], words[2])
		}
	}
	if modules < 10 {
		t.Errorf("the program has %d modules; want all", modules)
	}
}

// Whoever builds the same commit gets the same bytes, whenever and wherever that is.
func isReproducible(t *testing.T, dir string) {
	first, second := dir, filepath.Join(t.TempDir(), "elsewhere")
	now := time.Now()
	if err := os.Chtimes(root+"packages/default", now, now); err != nil {
		t.Fatal(err)
	}
	packages(t, second)
	sums := read(t, first+"/SHA256SUMS")
	if again := read(t, second+"/SHA256SUMS"); again != sums || strings.Count(sums, "\n") != 4 {
		t.Errorf("the sums are\n%sand then\n%swant the same, of four files", sums, again)
	}
	for line := range strings.Lines(sums) {
		words := strings.Fields(line)
		got := sha256.Sum256([]byte(read(t, filepath.Join(first, words[1]))))
		if hex.EncodeToString(got[:]) != words[0] {
			t.Errorf("the sum of %s is not that of SHA256SUMS", words[1])
		}
	}
}
