//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// The web player plays a stream from a page of another origin and reports, as it does
// to the service that this one replaces.
func TestWebPlayerReports(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	s := consume(t, addr)
	page := elsewhere(t, "testdata")
	do := browse(t, page)
	do(fmt.Sprintf(`failed = ""; (async () => {
		await new Promise((loaded, wrong) => { const s = document.createElement("script"); s.src = "/npm/@srgssr/pillarbox-web/dist/pillarbox.umd.min.js"; s.onload = loaded; s.onerror = wrong; document.head.append(s) });
		const video = document.createElement("video-js");
		video.id = "player";
		document.body.append(video);
		player = pillarbox("player", {muted: true, autoplay: true, trackers: {srgAnalytics: false, pillarboxMonitoring: false}});
		const monitoring = new srgssr.PillarboxMonitoring(player, {playerName: "pillarbox", playerVersion: "test", heartbeatInterval: 200, beaconUrl: "http://%s/api/events"});
		monitoring.sessionStart();
		player.src({src: "/files/hls/index.m3u8", type: "application/x-mpegURL"});
	})().catch(e => failed = String(e)); 0`, addr), nil)
	// saw reports whether so many events of that name came.
	saw := func(name string, n int) bool {
		var failed string
		if do("failed", &failed); failed != "" {
			t.Fatalf("the page says %s; so far on the stream: %q", failed, s.all())
		}
		var all []string
		for _, text := range s.all() {
			var e struct {
				EventName string          `json:"event_name"`
				SessionID string          `json:"session_id"`
				Timestamp int64           `json:"timestamp"`
				Version   int             `json:"version"`
				Data      json.RawMessage `json:"data"`
				UserIP    string          `json:"user_ip"`
			}
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Fatalf("%s on the stream: %v", text, err)
			}
			if e.SessionID == "" || e.Timestamp < 1e12 || e.Version != 1 || len(e.Data) < 10 || e.UserIP != "127.0.0.1" {
				t.Fatalf("the event %s lacks what all have", text)
			}
			all = append(all, e.EventName)
		}
		return len(slices.DeleteFunc(all, func(e string) bool { return e != name })) >= n
	}
	eventually(t, "the player reports its start", func() bool { return saw("START", 1) })
	eventually(t, "the player reports that it plays", func() bool { return saw("HEARTBEAT", 3) })
	do(`player.dispose(); 0`, nil)
	eventually(t, "the player reports its end", func() bool { return saw("STOP", 1) })
}
