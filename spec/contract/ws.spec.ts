import { contractOver } from './over-hosts.js';

contractOver('ws');
