package config

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestBadUsageSaysWhichFlag(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, names string }{
		{"-nonsense", "nonsense"},
		{"argument", "argument"},
		{"-port", "port"},
		{"-port=", "-port"},
		{"-port ,", "-port"},
		{"-port x", "-port"},
		{"-port :65536", "-port"},
		{"-port :-1", "-port"},
		{"-port :+80", "-port"},
		{"-port :http", "-port"},
		{"-port ::1", "-port"},
		{"-port a:b:c", "-port"},
		{"-admin-addr x", "-admin-addr"},
		{"-admin-addr :3569", "-admin-addr"},
		{"-port :1,127.0.0.1:2 -admin-addr 2", "-admin-addr"},
		{"-port :1,:2 -admin-addr 127.0.0.1:2", "-admin-addr"},
		{"-port localhost:2 -admin-addr localhost:2", "-admin-addr"},
		{"-log-level loud", "-log-level"},
		{"-shards -1", "-shards"},
		{"-shards 65", "-shards"},
		{"-shards 1.5", "shards"},
		{"-ring-bytes 0", "-ring-bytes"},
		{"-ring-bytes 1e6", "ring-bytes"},
		{"-ring-bytes 64MiB", "without a unit"},
		{"-max-body 0", "-max-body"},
		{"-max-body 4194113", "-max-body"},
		{"-max-body 4611686018427387904", "-max-body"},
		{"-loops -1", "-loops"},
		{fmt.Sprint("-loops ", MaxLoops+1), "-loops"},
		{"-loops 100000", "-loops"},
		{"-flush-interval -1ms", "-flush-interval"},
		{"-flush-interval 1h", "-flush-interval"},
		{"-keep-alive 1ns", "-keep-alive"},
		{"-keep-alive -1s", "-keep-alive"},
		{"-keep-alive 10", "keep-alive"},
		{"-stall-timeout 0", "-stall-timeout"},
		{"-read-timeout 0", "-read-timeout"},
		{"-idle-timeout 0", "-idle-timeout"},
		{"-max-consumers 0", "-max-consumers"},
		{"-max-connections 9223372036854775807", "-max-connections"},
		{"-client-connections -2", "-client-connections"},
		{"-user-ip some", "-user-ip"},
		{"-redis redis://h -redis-prefix staging", "end with a colon"},
		{"-redis redis://h -redis-prefix staging/", "end with a colon"},
		{"-redis-prefix a:b", "end with a colon"},
		{"-bodies-bytes 1", "-bodies-bytes"},
		{"-lag-bytes 1", "-lag-bytes"},
		{"-socket-bytes 1", "-socket-bytes"},
		{"-session-bytes 1", "-session-bytes"},
		{"-session-absent-bytes 1", "-session-absent-bytes"},
		{"-session-leaving 0", "-session-leaving"},
		{"-ingest-rate -1", "-ingest-rate"},
		{"-ingest-rate NaN", "-ingest-rate"},
		{"-client-rate +Inf", "-client-rate"},
		{"-cors-origins *", "-cors-origins"},
		{"-cors-origins example.org", "-cors-origins"},
		{"-cors-origins https://a.example/", "-cors-origins"},
		{"-trusted-proxies 10.0.0.0/33", "-trusted-proxies"},
		{"-trusted-proxies proxy", "-trusted-proxies"},
		{"-drain-timeout 10s -drain-silence 8s -drain-window 3s", "-drain-timeout"},
		{"-drain-timeout 10s -drain-lead 6s", "-drain-timeout"},
		{"-drain-lead -1s", "-drain-lead"},
		{"-portable-loops=maybe", "portable-loops"},
		{"-compress always", "-compress"},
		{"-max-views 0", "-max-views"},
		{"-max-general-views 65537", "-max-general-views"},
		{"-max-compressed-views 0", "-max-compressed-views"},
		{"-max-conditions 65", "-max-conditions"},
		{"-max-members 65", "-max-members"},
		{"-max-query 12289", "-max-query"},
		{"-redis http://user:s3cret@127.0.0.1", "-redis"},
		{"-redis redis://user:s3cret@127.0.0.1:x", "-redis"},
		{"-redis redis://localhost:70000", "-redis"},
		{"-redis redis://localhost/0?foo=1", "-redis"},
		{"-max-sockets 0", "-max-sockets"},
		{"-redis-channel a -redis-session-channel a", "-redis-channel"},
		{"-socket-ping 0", "-socket-ping"},
	} {
		_, err := Parse(strings.Fields(tt.args), none, io.Discard)
		if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("Parse(%s) = %v; want a usage error that names %s", tt.args, err, tt.names)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Parse(%s) = %v; want no password in it", tt.args, err)
		}
	}
	env := func(name string) string { return map[string]string{"MAX_BODY": "many", "SHARDS": "few"}[name] }
	_, err := Parse(nil, env, io.Discard)
	if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "MAX_BODY") || !strings.Contains(err.Error(), "SHARDS") {
		t.Errorf("Parse() with bad MAX_BODY and SHARDS = %v; want a usage error that names both", err)
	}
}

func TestARefusedChoiceIsToldWhichThereAre(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, choices string }{
		{"log-level", "loud", "debug info warn error"},
		{"log-format", "xml", "auto json text"},
		{"console", "yes", "on off"},
		{"user-ip", "some", "full network hash off"},
		{"compress", "always", "ask auto"},
		{"add", "id", "received_at event_id"},
		{"portable-loops", "maybe", "true false"},
		{"cmcd-stop", "maybe", "true false"},
		{"redis", "http://h", "redis rediss redis-sentinel rediss-sentinel"},
		{"relay", "http://h", "nats tls"},
	} {
		variable := EnvName(tt.name)
		_, byFlag := Parse([]string{"-" + tt.name + "=" + tt.value}, none, io.Discard)
		_, byVariable := Parse(nil, func(name string) string { return map[string]string{variable: tt.value}[name] }, io.Discard)
		for given, err := range map[string]error{"-" + tt.name: byFlag, variable: byVariable} {
			if !errors.Is(err, ErrUsage) {
				t.Errorf("Parse(%s=%s) = %v; want a usage error", given, tt.value, err)
				continue
			}
			for choice := range strings.FieldsSeq(tt.choices) {
				if !strings.Contains(err.Error(), choice) {
					t.Errorf("Parse(%s=%s) = %v; want %s in it", given, tt.value, err, choice)
				}
			}
		}
	}
}
