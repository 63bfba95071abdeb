// Reports play states to an address by the reporter of @svta/cml-cmcd, each after
// the last one was answered, and writes the statuses that it was answered.
import { CmcdReporter } from "@svta/cml-cmcd";

const statuses = [];
let pending;
const reporter = new CmcdReporter(
	{ sid: "s", version: 2, eventTargets: [{ url: `http://${process.argv[2]}/cmcd`, events: ["ps"], batchSize: 1, enabledKeys: ["e", "ts", "v", "sid", "sta", "sn"] }] },
	({ url, ...init }) =>
		(pending = fetch(url, init).then(({ status }) => {
			statuses.push(status);
			return { status };
		})),
);
reporter.start();
for (const sta of ["s", "p", "a"]) {
	reporter.update({ sta });
	await pending;
	await new Promise(setImmediate); // the reporter has seen the answer
}
reporter.stop();
console.log(JSON.stringify(statuses));
