package faults

// A Row is one fault.
type Row struct {
	Number   int
	Fault    string
	Expected string
	Tests    []Test
}

// A Test injects the fault of a row.
type Test struct {
	Package string // below the module
	Name    string
}

// Rows are all faults.
var Rows = []Row{
	{1, "1,000 consumers stop reading for 30 s, then go on; 5,000 events/s", "each is told exactly what it missed, none is cut, players notice nothing",
		in("internal/faults", "TestFault1StoppedConsumersGoOn")},
	{2, "1,000 consumers stop reading for good", "each is cut by `-stall-timeout` + 2 s, and counted",
		in("internal/faults", "TestFault2StoppedConsumersAreCut")},
	{3, "peers vanish without a FIN, idle ones and busy ones", "closed within TCP_USER_TIMEOUT + 5 s, counted as `vanished`",
		in("internal/faults", "TestFault3PeersVanish")},
	{4, "1,000 consumers at 64 kbit/s", "counted skips only, no partial frame",
		in("internal/faults", "TestFault4SlowConsumers")},
	{5, "10,000 connections that are reset, in 60 s", "goroutines, descriptors and gauges are back at their baseline",
		append(in("internal/faults", "TestFault5ResetStorm"), in("transport/stream", "TestGoroutinesAndDescriptorsReturnToTheirBaseline")...)},
	{6, "slow heads, slow bodies, slow readers of answers, by the thousand", "each is cut at its time, other players get 200",
		append(in("internal/faults", "TestFault6SlowRequests"), in("transport", "TestSlowRequestsAreCutInTime", "TestClientThatDoesNotReadItsAnswersIsCut", "TestSteadyUploadMayBeSlow")...)},
	{7, "bodies that declare the limit and come at 1 byte/s, 4,000 connections", "memory stays within the budget of bodies, and is given back in 15 s",
		append(in("internal/faults", "TestFault7DeclaredBodies"), in("transport", "TestDeclaredBodiesCostNothing", "TestLargeBodiesHaveABudget")...)},
	{8, "a flood of consumers from one address, and from many", "refused above the caps, others notice nothing",
		append(in("internal/faults", "TestFault8FloodOfConsumers"), in("transport", "TestFloodOfConsumersLeavesOthersAlone", "TestConnectionsOfAClientAreLimited")...)},
	{9, "out of descriptors (`ulimit -n 512`)", "no end, no busy loop, operators are answered, accepts go on in 2 s",
		append(in("internal/faults", "TestFault9OutOfDescriptors"), in("transport/front", "TestAcceptBacksOffWithoutDescriptors")...)},
	{10, "the server between instances stops for 60 s, and goes on", "local players and consumers notice nothing; gaps told = events dropped",
		in("internal/instances", "TestFault10ServerStopsAndGoesOn", "TestFault10WithTooSmallAnOutbox")},
	{11, "Redis is killed, and back after 20 s", "subscribed 3 s after its start; nothing twice, a gap only as counted",
		in("internal/instances", "TestFault11ServerIsKilledAndRestarted")},
	{12, "Redis ends its subscribers' connections every second", "as 11, and comes to rest",
		in("internal/instances", "TestFault12SubscribersAreKickedEverySecond")},
	{13, "instances are apart for 30 s", "each serves its own; nothing old comes as new",
		in("internal/instances", "TestFault13PartitionedInstancesServeTheirOwn")},
	{14, "SIGTERM under load, 2,000 streams and sockets", "all that was accepted reaches everybody; `retry:` or 1001, exit 0; the other instance loses nothing",
		append(in("internal/instances", "TestFault14TermUnderLoadLosesNothing"), in("internal/proxies", "TestRollingRestartIsShort", "TestRollingRestartKeepsTheSilentConsumer", "TestBalancerLooksElsewhereDuringTheLead")...)},
	{15, "SIGKILL of one of two instances", "consumers of the other get nothing twice, and no gap untold",
		append(in("internal/instances", "TestFault15KillLeavesNoGapUntold"), in("internal/proxies", "TestPagesSurviveAnAbsence")...)},
	{16, "ten million mutated bodies", "what is answered 200 arrives JSON-equal, and nothing else; no broken frame",
		in("internal/faults", "TestFault16MutatedBodies")},
	{17, "requests that proxies read differently, direct and behind nginx and haproxy", "none is handled twice",
		append(in("internal/proxies", "TestNoProbeIsHandledTwice"), in("transport", "TestRequestsThatProxiesReadDifferentlyAreRefused", "TestHeadsAreReadByTheLetter")...)},
	{18, "abuse of WebSocket: bad frames, floods of pings, a declared GiB, half a handshake, races of closes", "the right close code, at most 64 KiB a connection",
		append(in("transport/screens", "TestAbuseIsAnsweredWithItsCloseCode", "TestPingFloodCostsNoMemory", "TestAFloodOfFramesEndsASocket", "TestCloseRacesLeaveNothingBehind"),
			in("transport", "TestHalfOpenHandshakes", "TestAbusiveConnectionsTakeLittleMemory", "TestDeclaredGibibyteIsNotAllocated")...)},
	{19, "a container of 256 MiB, consumers to the cap, the largest events", "not killed, shedding is told in gauges, full service 10 s after the load",
		in("internal/faults", "TestFault19MemoryLimit")},
	{20, "a fifth of a processor; stopped for 5 s; a wall clock that jumps by an hour, both ways", "ids stay in order, consumers stay, no latency is negative",
		append(in("internal/faults", "TestFault20CPUQuota", "TestFault20ProcessStops", "TestFault20WallClockJumps"), in("transport/stream", "TestLatencyIsNeverNegative")...)},
}

func in(pkg string, names ...string) (tests []Test) {
	for _, name := range names {
		tests = append(tests, Test{pkg, name})
	}
	return tests
}
