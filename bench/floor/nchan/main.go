// Command nchan is a rival: nginx with the module nchan (Debian: libnginx-mod-nchan), whose
// events go from a publisher's location to subscribers of EventSource, in memory. It
// writes the configuration and becomes nginx.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const module = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// One process, whose CPU time and memory can be told. The buffer is as long as what
// consumers may lag.
const configuration = `load_module %s;
daemon off; master_process off; pid %[2]s/pid; error_log stderr crit;
events { worker_connections 12000; }
http {
	access_log off; tcp_nodelay on; keepalive_requests 1000000000;
	client_body_temp_path %[2]s/body; client_max_body_size 256k; client_body_buffer_size 256k;
	nchan_max_reserved_memory 128M;
	server {
		listen 127.0.0.1:%[3]s;
		location = /metrics { nchan_publisher; nchan_channel_id all; nchan_message_buffer_length 65536; nchan_message_timeout 30s; }
		location = /event-dispatcher { nchan_subscriber eventsource; nchan_channel_id all; nchan_subscriber_first_message newest; }
	}
}
`

func main() {
	port := flag.String("port", "18004", "loopback port to listen on")
	flag.Parse()
	log.Fatal(run(strings.TrimPrefix(*port, ":")))
}

func run(port string) error {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx, err = exec.LookPath("/usr/sbin/nginx")
	}
	if _, missing := os.Stat(module); err != nil || missing != nil {
		return errors.New("nginx with nchan is not installed (Debian: apt-get install nginx libnginx-mod-nchan)")
	}
	dir := filepath.Join(os.TempDir(), "nchan-"+port) // the next one on the port takes its place
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, module, dir, port), 0o600); err != nil {
		return err
	}
	return syscall.Exec(nginx, []string{"nginx", "-p", dir, "-e", "stderr", "-c", file}, os.Environ())
}
