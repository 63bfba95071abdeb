// Writes random CMCD reports, each as it is encoded and as what the decoder of
// @svta/cml-cmcd reads in it, in the form that the service gives it.
import { decodeCmcd, encodeCmcd, validateCmcdEvents } from "@svta/cml-cmcd";
import { SfItem } from "@svta/cml-structured-field-values";

let seed = 1;
const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
const pick = (list) => list[random(list.length)];
const text = () => Array.from({ length: random(12) }, () => pick([..."abcXYZ019 -_.,;=()\"\\/:?@'&<>"])).join("");
const rates = () => Array.from({ length: 1 + random(3) }, () => (random(3) ? 100 + random(9000) : new SfItem(100 + random(9000), { v: true, ...(random(2) && { x: text() }) })));

function report(n) {
	const data = {
		e: pick(["ps", "t", "e", "rr", "bc", "m", "um", "c", "ce"]), ts: 1764752400000 + random(1e6), v: 2, sid: "s" + random(50), sn: n,
		sta: pick(["p", "s", "k", "r", "a", "w", "e", "f", "q", "d"]), cen: "n" + text(), rc: 200 + random(300), url: "https://a.example/" + random(99),
	};
	const optional = {
		br: rates, bl: () => [random(60000)], mtp: () => [random(90000)], cid: text, bg: () => true, bs: () => true, pr: () => random(40) / 10,
		msd: () => random(5000), nor: () => ["../" + random(9) + "/a b.m4v"], dl: () => random(9) * 100, ot: () => pick(["v", "a", "m", "i"]),
		ltc: () => random(9000), pt: () => random(1e7), df: () => random(1000), sf: () => pick(["d", "h", "s", "o"]), st: () => pick(["v", "l"]),
		ec: () => [text() + "x"], "com.example-text": text, "com.example-n": () => random(1000) - 500, "com.example-d": () => random(99999) / 1000,
		"com.example-b": () => true,
	};
	for (const [key, value] of Object.entries(optional)) if (random(2)) data[key] = value();
	return data;
}

const plain = (value) => {
	if (Array.isArray(value)) return value.map(plain);
	if (value instanceof SfItem || (value && typeof value === "object" && "value" in value)) {
		return value.params ? { value: plain(value.value), params: Object.fromEntries(Object.entries(value.params).map(([k, v]) => [k, plain(v)])) } : plain(value.value);
	}
	if (value && typeof value === "object" && "description" in value) return value.description; // a token
	if (typeof value === "symbol") return value.description;
	return value;
};

const cases = [];
for (let n = 0; n < 2000; n++) {
	const record = encodeCmcd(report(n), { version: 2, reportingMode: "event" });
	const { valid, issues } = validateCmcdEvents(record);
	if (!valid && issues.some((i) => /decode|syntax/i.test(i.message))) throw new Error(record + ": " + JSON.stringify(issues));
	cases.push({ record, want: Object.fromEntries(Object.entries(decodeCmcd(record)).map(([k, v]) => [k, plain(v)])) });
}
console.log(JSON.stringify(cases));
