export { Process } from './process/process.js';
