// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packLayer, type Layer } from '../../src/build/image/layer.ts';
import { file, filesBelow, installedOnce, libraries } from './packaged-client.ts';

/** Where a program's image has Java, its jars and its classes. */
export const JAVA = { bin: '/opt/java/bin', classPath: '/app/jars/*:/app/classes' } as const;

/** Modules of the JDK that gRPC asks for; java.base has keytool. */
const MODULES = 'java.base,java.logging,java.naming,java.management,java.sql,jdk.crypto.ec,jdk.unsupported';

/** This machine's JDK, cut down by jlink. */
export async function javaLayer(): Promise<Layer> {
  const installed = installedOnce(import.meta.dirname, [basename(import.meta.filename)], (target) => {
    const output = join(target, 'java');
    const options = ['--no-header-files', '--no-man-pages', '--strip-java-debug-attributes', '--compress=1'];
    execFileSync('jlink', ['--add-modules', MODULES, ...options, '--output', output]);
  });
  const runtime = join(installed, 'java');
  const linked = [join(runtime, 'bin/java'), join(runtime, 'lib/server/libjvm.so')];
  const system = (await libraries(linked)).filter(({ path }) => !path.startsWith(runtime.slice(1)));
  return packLayer([...filesBelow(runtime, 'opt/java'), ...system]);
}

const MAVEN_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
/**
 * Netty's own system calls. Netty would unpack them from its jar into a file that is not the image's, and the module be
 * refused as CodeNotFromImage; it looks in the library path first.
 */
const NATIVE = 'META-INF/native';
const NETTY = 'libio_grpc_netty_shaded_netty_transport_native_epoll_x86_64.so';

/** The jars that a folder's pom.xml names, as published, and its Main.java compiled. */
export async function jarLayer(folder: string): Promise<Layer> {
  const installed = installedOnce(folder, ['pom.xml', 'Main.java'], (target) => {
    const jars = join(target, 'jars');
    const options = ['-q', '-B', '-f', join(folder, 'pom.xml'), `-DoutputDirectory=${jars}`];
    execFileSync('mvn', [...options, MAVEN_PLUGIN], { stdio: ['ignore', 'ignore', 'inherit'] });
    const classPath = join(jars, '*');
    execFileSync('javac', ['-cp', classPath, '-d', join(target, 'classes'), join(folder, 'Main.java')]);
    const [netty = ''] = readdirSync(jars).filter((name) => name.startsWith('grpc-netty-shaded-'));
    execFileSync('jar', ['--extract', '--file', join(jars, netty), `${NATIVE}/${NETTY}`], { cwd: target });
  });
  const native = join(installed, NATIVE, NETTY);
  return packLayer([
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
    ...filesBelow(join(installed, 'jars'), 'app/jars'),
    ...filesBelow(join(installed, 'classes'), 'app/classes'),
    file(`usr/lib/${NETTY}`, native),
    ...(await libraries([native])),
  ]);
}
