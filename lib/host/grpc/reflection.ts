import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { descriptors } from '../../wire/generated/descriptors.js';

/** Lets tools such as grpcurl ask a server for its services and messages. */
export function addReflection(server: Server, services: readonly string[]): void {
  // Of a package it reads the files alone, off whatever definition has them.
  const files = {
    format: 'Protocol Buffer 3 EnumDescriptorProto',
    type: {},
    fileDescriptorProtos: filesOf(descriptors),
  } as const;
  new ReflectionService({ files }, { services: [...services] }).addToServer(server);
}

/** The bytes of each file of a FileDescriptorSet, whose only field they are. */
function filesOf(base64: string): Buffer[] {
  const files: Buffer[] = [];
  const reader = new BinaryReader(Buffer.from(base64, 'base64'));
  while (reader.pos < reader.len) {
    reader.tag();
    files.push(Buffer.from(reader.bytes()));
  }
  return files;
}
