// Reports three play states to an address by the reporter of @svta/cml-cmcd, and
// writes the statuses that it was answered.
import { CmcdReporter } from "@svta/cml-cmcd";

const statuses = [];
const reporter = new CmcdReporter(
	{ sid: "s", version: 2, eventTargets: [{ url: `http://${process.argv[2]}/cmcd`, events: ["ps"], batchSize: 1, enabledKeys: ["e", "ts", "v", "sid", "sta", "sn"] }] },
	async ({ url, ...init }) => {
		const { status } = await fetch(url, init);
		statuses.push(status);
		return { status };
	},
);
reporter.start();
for (const sta of ["s", "p", "a"]) {
	reporter.update({ sta });
	await new Promise((done) => setTimeout(done, 300)); // for the answer
}
reporter.stop();
console.log(JSON.stringify(statuses));
