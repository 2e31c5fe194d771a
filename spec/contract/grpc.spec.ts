import { contractOver } from './over-hosts.js';

contractOver('grpc');
