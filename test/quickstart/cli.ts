// SPDX-License-Identifier: Apache-2.0
import { Progress } from '../lab/progress.ts';
import { applyImpostor, applyModules, DEMO_NAMESPACE, removeDemo } from './demo.ts';
import { diagnose } from './diagnosis.ts';
import { ARCHIVE, archiveImages, importedImages, pushedImages, type DemoImages } from './images.ts';
import { installChart, SYSTEM_NAMESPACE, uninstall, waitForRelease } from './install.ts';
import { parseOptions, USAGE, type Options } from './options.ts';
import { QuickstartError } from './quickstart-error.ts';
import { showCertificates } from './show-certificate.ts';
import { showDevices } from './show-device.ts';
import { showGreetings } from './show-greetings.ts';
import { showImpostor } from './show-impostor.ts';
import { showModules } from './show-modules.ts';
import { clusterTarget, labTarget, presentLab, runLab, type Target } from './target.ts';

const progress = new Progress();
const say = (line: string): void => progress.say(`  ${line}`);

/** Announces a step. Everything it says below stands indented. */
async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  progress.say(title);
  return work();
}

async function quickstart(options: Options): Promise<void> {
  const target = await step('1/8 a cluster', () => (options.cluster ? clusterTarget(options.cluster) : labTarget()));
  try {
    const images = await step('2/8 bundles and images', () => deliverImages(target, options));
    if (images) await demonstrate(target, images);
  } catch (error) {
    process.stderr.write(`\n${await diagnose(target)}\n`);
    throw error;
  }
}

/** Undefined where the user must import the images first. */
async function deliverImages(target: Target, options: Options): Promise<DemoImages | undefined> {
  if (target.registry !== undefined) return pushedImages(target.registry, progress);
  if (options.cluster?.imported) return importedImages();
  await archiveImages();
  progress.say(`The images are in ${ARCHIVE}. Import them on every node:`);
  progress.say('  containerd: ctr -n k8s.io images import images.tar');
  progress.say('  k3s:        k3s ctr images import images.tar');
  progress.say('Then run this command again with --imported.');
  process.exitCode = 3;
  return undefined;
}

async function demonstrate(target: Target, images: DemoImages): Promise<void> {
  await step(`3/8 the chart, in ${SYSTEM_NAMESPACE}`, async () => {
    await installChart(target, images);
    say('installed; waiting for controller, agent and notary');
    await waitForRelease(target);
  });
  await step('4/8 the device and its token', () => showDevices(target, say));
  const holders = await step(`5/8 two modules, in ${DEMO_NAMESPACE}`, async () => {
    await applyModules(target, images);
    return showModules(target, images, say);
  });
  await step('6/8 their certificates', () => showCertificates(target, holders, say));
  await step('7/8 mutual TLS between them', () => showGreetings(target, holders, say));
  await step('8/8 an impostor: same labels and service account, another image', async () => {
    await applyImpostor(target, images);
    await showImpostor(target, say);
  });
  progress.say('All of it holds. It is left running; look around with');
  progress.say(`  ${target.access}`);
  progress.say('  kubectl get keystead -A');
  progress.say(`and remove it with: npm run quickstart -- --down${target.isLab ? '' : ' --use-cluster'}`);
}

async function down(options: Options): Promise<void> {
  if (options.cluster) {
    const target = await clusterTarget(options.cluster);
    await remove(target);
    progress.say(`The token and the keys stay on the nodes, in ${target.stateDir}; remove that by hand.`);
    return;
  }
  const lab = presentLab();
  // A lab that is half dead goes away all the same, and everything in it with it.
  if (lab) await remove(lab).catch((error: unknown) => progress.say(`  not removed in good order: ${String(error)}`));
  await runLab('down');
}

async function remove(target: Target): Promise<void> {
  await step('removing the demonstration', () => removeDemo(target));
  await step('removing the release', () => uninstall(target));
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) console.log(USAGE);
  else await (options.down ? down(options) : quickstart(options));
} catch (error) {
  const known = error instanceof QuickstartError;
  console.error(`\nquickstart: ${known ? error.message : String(error instanceof Error ? error.stack : error)}`);
  process.exitCode = 1;
}
