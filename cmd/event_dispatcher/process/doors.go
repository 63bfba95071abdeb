package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"event-dispatcher/transport/access"
)

// Doors are who may come in, and how: what is read of files while the program runs.
type Doors struct {
	Gate          *access.Gate        // nil: everybody may everything
	Public, Admin *access.Certificate // nil: no TLS

	stop func()
}

// Files names what Doors are read from. An empty name is none.
type Files struct {
	Access              string
	Cert, Key           string
	AdminCert, AdminKey string
}

// OpenDoors reads the files, and reads them again when they change and at SIGHUP.
func OpenDoors(f Files, checkView func(string) error, log *zap.Logger) (*Doors, error) {
	d := &Doors{stop: func() {}}
	if err := d.open(f, checkView, log); err != nil {
		d.Close()
		return nil, err
	}
	d.stop = d.onHangup(log)
	return d, nil
}

func (d *Doors) open(f Files, checkView func(string) error, log *zap.Logger) (err error) {
	for _, pair := range [][3]string{{f.Cert, f.Key, "-tls"}, {f.AdminCert, f.AdminKey, "-admin-tls"}} {
		if (pair[0] == "") != (pair[1] == "") {
			return fmt.Errorf("%s-cert and %s-key belong together: one is missing", pair[2], pair[2])
		}
	}
	if f.Access != "" {
		if d.Gate, err = access.Open(access.Options{Path: f.Access, CheckView: checkView, Log: log}); err != nil {
			return fmt.Errorf("-access: %w", err)
		}
	}
	if f.Cert != "" {
		if d.Public, err = access.OpenCertificate(f.Cert, f.Key, log); err != nil {
			return fmt.Errorf("-tls-cert, -tls-key: %w", err)
		}
	}
	if f.AdminCert != "" {
		if d.Admin, err = access.OpenCertificate(f.AdminCert, f.AdminKey, log); err != nil {
			return fmt.Errorf("-admin-tls-cert, -admin-tls-key: %w", err)
		}
	}
	return nil
}

// onHangup has the files read again at SIGHUP, which would otherwise end the process
// without a drain.
func (d *Doors) onHangup(log *zap.Logger) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range hangups {
			log.Info("SIGHUP: reading files again")
			// Each says in the log what was wrong.
			_ = errors.Join(d.Gate.Reload(), d.Public.Reload(), d.Admin.Reload())
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// Close stops watching the files.
func (d *Doors) Close() {
	d.stop()
	d.Gate.Close()
	d.Public.Close()
	d.Admin.Close()
}

// Open says to people what is open.
func (d *Doors) Open() string {
	anonymous := d.Gate.Anonymous()
	var may []string
	for _, r := range []access.Right{access.Publish, access.Consume, access.Operate} {
		if anonymous.Has(r) {
			may = append(may, r.String())
		}
	}
	if len(may) == 0 {
		return "nobody may anything without a token"
	}
	return "everybody may " + strings.Join(may, ", ")
}

// Log says in one line what is open.
func (d *Doors) Log(log *zap.Logger, operators bool) {
	anonymous := d.Gate.Anonymous()
	who := func(r access.Right) zap.Field {
		switch {
		case anonymous.Has(r):
			return zap.String(r.String(), "everybody")
		case d.Gate.Grants(r):
			return zap.String(r.String(), "token")
		}
		return zap.String(r.String(), "nobody")
	}
	admin := "public port"
	if operators {
		admin = "admin address"
	}
	log.Info("access rights", who(access.Publish), who(access.Consume), who(access.Operate),
		zap.String("operators_come_by", admin), zap.Bool("tls", d.Public != nil), zap.Bool("admin_tls", d.Admin != nil))
}
