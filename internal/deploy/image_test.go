//go:build linux

package deploy

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// An instruction is one of a Dockerfile, with its lines joined.
type instruction struct{ name, rest string }

func instructions(t testing.TB) (all []instruction) {
	t.Helper()
	text := strings.ReplaceAll(read(t, root+"docker/Dockerfile"), "\\\n", "")
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" && name[0] != '#' {
			all = append(all, instruction{name, strings.Join(strings.Fields(rest), " ")})
		}
	}
	return all
}

// of are the arguments of the instructions with that name.
func of(all []instruction, name string) (rests []string) {
	for _, i := range all {
		if i.name == name {
			rests = append(rests, i.rest)
		}
	}
	return rests
}

// words is an argument in the form of an array.
func words(t testing.TB, rest string) (all []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(rest[strings.IndexByte(rest, '['):]), &all); err != nil {
		t.Fatalf("%s: %v", rest, err)
	}
	return all
}

// buildContext is what a build is sent: the files of the project, less those of the ignore
// file and the history.
func buildContext(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	ignored := append(strings.Fields(read(t, root+"docker/Dockerfile.dockerignore")), ".git")
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains(ignored, path) && d.IsDir():
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, path), 0o755)
		case slices.Contains(ignored, path) || !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile("../../" + path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// image plays what the Dockerfile says, without a container engine, and returns the root
// of the image: its commands are run where the files of the project are, and what they
// write below / goes below a folder.
func image(t testing.TB) string {
	t.Helper()
	src, build, image := buildContext(t), t.TempDir(), t.TempDir()
	all := instructions(t)
	runsOf := of(all, "RUN")
	if len(runsOf) != 2 {
		t.Fatalf("the Dockerfile runs %q; want the download and the build", runsOf)
	}
	for _, script := range runsOf {
		script = strings.Replace(script, " -o /", " -o "+build+"/", 1)
		output(t, src, nil, "env", "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH, "sh", "-ec", script)
	}
	for _, copied := range of(all, "COPY") {
		words := strings.Fields(copied)
		if words[0] != "--from=build" {
			continue // to the build, which has it already
		}
		from, to := filepath.Join(build, words[1]), filepath.Join(image, words[2])
		if strings.HasPrefix(words[1], "/etc/") {
			continue // from the image that builds
		}
		if strings.HasSuffix(words[2], "/") {
			to = filepath.Join(to, filepath.Base(from))
		}
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	return image
}

// The program that the Dockerfile builds runs in an empty root, as a user without rights,
// and says whether it is ready.
func TestDockerfileMakesAnImageThatRuns(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "go", "sh")
	all := instructions(t)
	empty := image(t)
	public, admin := testkit.FreeAddr(t), testkit.FreeAddr(t)
	env := append([]string{"PORT=" + public}, strings.Fields(strings.ReplaceAll(of(all, "ENV")[0], ":9090", admin))...)
	inside := func(command []string) *exec.Cmd {
		args := append([]string{empty + command[0]}, command[1:]...)
		if os.Getuid() == 0 { // or there is no other root
			user := of(all, "USER")[0]
			args = append([]string{testkit.Daemon(t, "chroot"), "--userspec=" + user, empty}, command...)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = env
		return cmd
	}
	check := words(t, of(all, "HEALTHCHECK")[0])
	if out, err := inside(check).CombinedOutput(); err == nil {
		t.Errorf("nothing runs, and %q says it is ready: %s", check, out)
	}
	p := program.Launch(t, inside(words(t, of(all, "ENTRYPOINT")[0])))
	testkit.Eventually(t, "the image is healthy", func() bool { return p.HasEnded() || inside(check).Run() == nil })
	if got := p.Log.Addresses("listening for operators"); len(got) != 1 || got[0] != admin {
		t.Errorf("operators are listened for at %q; want %s", got, admin)
	}
	if code := p.Exits(syscall.SIGTERM); code != 0 {
		t.Errorf("the image ends with %d; want 0", code)
	}
}

// What the Dockerfile says of the program is so.
func TestDockerfileSaysWhatIsSo(t *testing.T) {
	t.Parallel()
	all := instructions(t)
	env := strings.Fields(of(all, "ENV")[0])
	out, err := program.Command(t, env, "-print-config").CombinedOutput()
	if err != nil {
		t.Fatalf("-print-config: %v\n%s", err, out)
	}
	for _, port := range strings.Fields(of(all, "EXPOSE")[0]) {
		if !regexp.MustCompile(`(?m)^#? ?(port|admin-addr) *= *".*:` + port + `"`).Match(out) {
			t.Errorf("the image exposes %s, where nobody listens:\n%s", port, out)
		}
	}
	if user := of(all, "USER"); len(user) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user[0]) {
		t.Errorf("the image runs as %q; want a number that is not root's", user)
	}
	_, want, _ := strings.Cut(read(t, "../../go.mod"), "\ngo ")
	want, _, _ = strings.Cut(want, "\n")
	if from := of(all, "FROM"); len(from) != 2 || !strings.Contains(from[0], ":"+strings.TrimSuffix(want, ".0")) || from[1] != "scratch" {
		t.Errorf("the images are from %q; want Go %s, and nothing", from, want)
	}
}
