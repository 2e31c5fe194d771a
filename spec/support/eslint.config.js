import { defineConfig } from 'eslint/config';
import rxjsX from 'eslint-plugin-rxjs-x';
import tsdoc from 'eslint-plugin-tsdoc';
import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs in browsers too: nothing of Node. `spec/architecture` and `lib/tsconfig.portable.json` say the same. */
const portable = [
  'lib/process/**/*.ts',
  'lib/operators/**/*.ts',
  'lib/sandbox/**/*.ts',
  'lib/composition/**/*.ts',
  'lib/wire/**/*.ts',
  'lib/backends/memory/**/*.ts',
  'lib/backends/rpc/*.ts',
  'lib/backends/rpc/tunnel/*.ts',
  'lib/index.ts',
];

const nodeOnly = 'This folder runs in browsers too: nothing of Node here.';

export default defineConfig(
  { ignores: ['**/node_modules', '**/dist', 'lib/wire/generated'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    name: 'typescript',
    files: ['**/*.ts'],
    extends: [
      tseslint.configs.strictTypeChecked,
      tseslint.configs.stylisticTypeChecked,
      rxjsX.configs.strict,
    ],
    plugins: { tsdoc },
    languageOptions: {
      parserOptions: { project: ['./tsconfig.json'], tsconfigRootDir: root },
    },
    rules: {
      'tsdoc/syntax': 'error',
      complexity: ['error', 10],
      eqeqeq: 'error',
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 3],
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        {
          // That file is a list of names, for the two entries that share them.
          selector:
            'ExportAllDeclaration:not([exportKind="type"][source.value="./backends/rpc/connected.js"])',
          message: 'Export name by name.',
        },
        { selector: 'TSEnumDeclaration', message: 'A union of string literals instead.' },
      ],

      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { allowDefaultCaseForExhaustiveSwitch: false, requireDefaultForNonUnion: true },
      ],
      // isolatedDeclarations wants the types that these two would take away.
      '@typescript-eslint/consistent-generic-constructors': ['error', 'type-annotation'],
      '@typescript-eslint/no-inferrable-types': 'off',
      // Refuses `f<void>()`.
      '@typescript-eslint/no-invalid-void-type': 'off',

      'rxjs-x/throw-error': ['error', { allowThrowingUnknown: true, allowThrowingAny: false }],
    },
  },
  {
    name: 'library',
    files: ['lib/**/*.ts'],
    rules: {
      'rxjs-x/finnish': [
        'error',
        {
          functions: false,
          methods: false,
          names: { '^(source|stdin|steps)$': false },
          // What is one by itself, a Subject (its other half is an Observer), and a function that gives one.
          types: {
            '^(Process|Program|OperationRef|Settlement|ChunkChannel)$': false,
            Subject$: false,
            '^__(function|type)$': false,
          },
        },
      ],
    },
  },
  {
    name: 'portable',
    files: portable,
    rules: {
      'no-restricted-globals': [
        'error',
        ...[
          'Buffer',
          'process',
          'global',
          '__dirname',
          '__filename',
          'require',
          'setImmediate',
        ].map((name) => ({ name, message: nodeOnly })),
      ],
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*', '@lydell/*'], message: nodeOnly }] },
      ],
    },
  },
  {
    name: 'what is no library',
    files: ['lib/cli/**/*.ts', 'spec/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    name: 'specs',
    files: ['spec/**/*.ts'],
    rules: {
      // A describe holds many cases, and a case may ignore what it does not test.
      complexity: ['error', 15],
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 4],
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      'rxjs-x/finnish': 'off',
      'rxjs-x/no-ignored-default-value': 'off',
      'rxjs-x/no-ignored-error': 'off',
      'rxjs-x/no-ignored-subscription': 'off',
      'rxjs-x/no-nested-subscribe': 'off',
      'rxjs-x/no-internal': 'error',
    },
  },
  {
    name: 'plain JavaScript',
    files: ['**/*.{js,mjs,cjs}'],
    rules: {
      eqeqeq: 'error',
      'no-unused-vars': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
);
